package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builtProgram is socbatch as it is given to people: without the race detector,
// which takes time and memory of its own.
func builtProgram(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs go, to build the program")
	}
	file, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// built lies beside the program that testscript made of the tests, and is
// removed with it.
var built = sync.OnceValues(func() (string, error) {
	self, err := exec.LookPath("socbatch")
	if err != nil {
		return "", err
	}
	file := filepath.Join(filepath.Dir(self), "socbatch-built"+filepath.Ext(self))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", file, "../../cmd/socbatch")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return file, nil
})
