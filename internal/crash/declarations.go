package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/socbatch/socbatch/examples"
)

// declaration is one set to be: files whose contents no other has.
type declaration struct {
	shape  shape
	files  []string
	hashes []string // of the files
}

// exampleFiles are the examples that the parts of a shape are made from.
var exampleFiles = map[shape][]string{
	dimona:   {"dimona-in.xml"},
	dmfa:     {"dmfa-part1.xml"},
	dmfaPair: {"dmfa-part1.xml", "dmfa-part2.xml"},
}

// write makes the files of declaration n in dir.
func (s shape) write(dir string, n int) (*declaration, error) {
	d := &declaration{shape: s}
	for i, name := range exampleFiles[s] {
		text, err := examples.Declarations.ReadFile("declarations/" + name)
		if err != nil {
			return nil, err
		}
		own := bytes.ReplaceAll(text, []byte("EXAMPLE-"), fmt.Appendf(nil, "CRASH-%d-%d-", n, i+1))
		if bytes.Equal(own, text) {
			return nil, fmt.Errorf("example %s has no reference to make it unique", name)
		}
		path := filepath.Join(dir, fmt.Sprintf("%d-%s", n, name))
		if err := os.WriteFile(path, own, 0o600); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(own)
		d.files, d.hashes = append(d.files, path), append(d.hashes, hex.EncodeToString(sum[:]))
	}
	return d, nil
}
