package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/socbatch/socbatch/internal/declaration"
	"github.com/socbatch/socbatch/internal/xmlstream"
	"github.com/socbatch/socbatch/naming"
)

// Error ids of the receipt that concern the set as a whole.
const (
	unknownApplication = "ACRF-129"
	wrongCountFI       = "ACRF-120"
	wrongCountFS       = "ACRF-122"
	wrongNumberFI      = "ACRF-123"
	wrongNumberFS      = "ACRF-124"
	badSignature       = "ACRF-125"
	withoutGO          = "ACRF-130"
	badNameFI          = "ACRF-131"
	badNameFS          = "ACRF-132"
	usedName           = "ACRF-133"
	otherCertificate   = "ACRF-153"
	otherForm          = "ACRF-158"
)

// check finds every error of a set, and the root element of its first part.
func (s *Server) check(set *ProcessedSet, files []member) (found map[string]bool, root string, err error) {
	found = map[string]bool{}
	context := naming.Context{
		Account: s.cfg.Sender, Today: naming.DateOf(s.clock()), MaxAge: s.cfg.MaxAge,
		MaxParts: s.cfg.MaxParts, Folder: set.Folder,
	}
	fields := append(strings.Split(set.GO, "."), make([]string, 7)...)
	set.Environment = fields[5]
	set.Parts = 1 // the form without parts
	if fields[6] != "" {
		set.Parts = digit(fields[6])
	}
	byKind := map[naming.Kind][]member{}
	for _, m := range files {
		for _, f := range naming.Validate(m.name, context) {
			// An application that is not on the list is a warning to a client,
			// because its list may be old; here the list is the server's.
			if f.ID != "" && (!f.Warning || f.ID == unknownApplication) {
				found[f.ID] = true
			}
		}
		byKind[kindOf(m.name)] = append(byKind[kindOf(m.name)], m)
	}
	declarations, signatures := byKind[naming.FI], byKind[naming.FS]
	checkNumbers(found, wrongCountFI, wrongNumberFI, declarations, fields[6], set.Parts)
	if required := naming.Environment(set.Environment).RequiresSignature(); required || len(signatures) > 0 {
		checkNumbers(found, wrongCountFS, wrongNumberFS, signatures, fields[6], set.Parts)
	}
	signatureOf := map[string]member{}
	for _, m := range signatures {
		signatureOf[strings.TrimPrefix(m.name, string(naming.FS))] = m
		file, err := s.digest(m, io.Discard)
		if err != nil {
			return nil, "", err
		}
		set.Signatures = append(set.Signatures, file)
	}
	for i, m := range declarations {
		file, info, err := s.inspect(m)
		if err != nil {
			return nil, "", err
		}
		set.Files = append(set.Files, file)
		if i == 0 {
			root = info.Root
		}
		for _, f := range info.Faults {
			if !f.Warning {
				found[f.ID] = true
			}
		}
		if a, ok := naming.LookupApplication(fields[1]); ok && info.Root != "" &&
			(!a.HasRoot(info.Root) || !naming.RootDecides(info.Root) && a.Foreign(info.Codes()) >= 0) {
			found[otherForm] = true
		}
		fsFile, ok := signatureOf[strings.TrimPrefix(m.name, string(naming.FI))]
		if !ok {
			continue
		}
		id, err := s.checkSignature(m, fsFile, naming.Environment(set.Environment))
		if err != nil {
			return nil, "", err
		}
		if id != "" {
			found[id] = true
		}
	}
	return found, root, nil
}

// checkNumbers compares count and part numbers of the files of one kind with
// the number of parts in the GO; 0 is no number, and says nothing.
func checkNumbers(found map[string]bool, count, number string, files []member, partsField string, parts int) {
	if parts == 0 {
		return
	}
	if len(files) != parts {
		found[count] = true
	}
	seen := map[string]bool{}
	for _, m := range files {
		part := "1" // the form without parts
		if f := strings.Split(m.name, "."); len(f) == 8 {
			part = f[7]
			if partsField != "" && f[6] != partsField {
				found[number] = true
			}
		}
		if seen[part] {
			found[number] = true
		}
		seen[part] = true
	}
}

func digit(s string) int {
	if len(s) != 1 || s[0] < '1' || s[0] > '9' {
		return 0
	}
	return int(s[0] - '0')
}

// digest copies a file to w and gives its size and hash.
func (s *Server) digest(m member, w io.Writer) (File, error) {
	f, err := s.root.Open(m.path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, w), f)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", m.name, err)
	}
	return File{Name: m.name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// inspect looks into a declaration and hashes it, in one pass.
func (s *Server) inspect(m member) (File, declaration.Info, error) {
	f, err := s.root.Open(m.path)
	if err != nil {
		return File{}, declaration.Info{}, err
	}
	defer f.Close()
	sum := sha256.New()
	info, err := declaration.Inspect(io.TeeReader(f, sum), declaration.Options{KeepForms: -1})
	if errors.Is(err, xmlstream.ErrTooDeep) || errors.Is(err, xmlstream.ErrTooLarge) {
		info.Faults = append(info.Faults, declaration.Fault{ID: declaration.NotWellFormed})
		_, err = io.Copy(sum, f)
	}
	if err != nil {
		return File{}, info, fmt.Errorf("read %s: %w", m.name, err)
	}
	n, err := f.Seek(0, io.SeekCurrent)
	return File{Name: m.name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))}, info, err
}

func rank(name string) int {
	if kindOf(name) == naming.GO {
		return 1
	}
	return 0
}
