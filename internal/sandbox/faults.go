package sandbox

import (
	"errors"

	"github.com/pkg/sftp"
)

var (
	errNoSpace = errors.New("no space left on device")
	errQuota   = errors.New("disk quota exceeded")
	// errDenied and errUnsupported are what a strict server answers.
	errDenied      = sftp.ErrSSHFxPermissionDenied
	errUnsupported = sftp.ErrSSHFxOpUnsupported
)

// SetScenario replaces the scenario while the server runs. Sets that were
// already checked keep the rule they were checked by; a cut that struck may
// strike once more.
func (s *Server) SetScenario(sc Scenario) error {
	if err := sc.Check(); err != nil {
		return err
	}
	s.scenario.Store(&sc)
	s.cutDone.Store(false)
	return nil
}

func (s *Server) faults() *Faults { return &s.scenario.Load().Faults }

// cuts reports whether the connection is to be cut now that so many bytes of
// file content were received on it.
func (s *Server) cuts(received int64) bool {
	f := s.faults()
	if f.CutAfterBytes == 0 || received <= f.CutAfterBytes {
		return false
	}
	return f.CutEach || s.cutDone.CompareAndSwap(false, true)
}

// strike notes a fault and gives the error to answer.
func (s *Server) strike(conn int, folder, name, what string, err error) error {
	s.journal.add(Event{Kind: FaultInjected, Conn: conn, Folder: folder, Name: name, Detail: what})
	return err
}

// forbidden gives the error for an action that the faults forbid, or nil.
func (s *Server) forbidden(conn int, folder, name, action string) error {
	if !s.faults().forbids(folder, action) {
		return nil
	}
	return s.strike(conn, folder, name, action+" refused", errDenied)
}

// storable gives how many of the n bytes at offset are kept.
func (f *Faults) storable(offset int64, n int) int {
	if f.StoreAtMost == 0 {
		return n
	}
	return int(min(max(f.StoreAtMost-offset, 0), int64(n)))
}

// full reports whether a write that ends at this offset finds no space.
func (f *Faults) full(end int64) bool { return f.NoSpace && end > f.NoSpaceAfter }
