package outbox

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/transport"
)

// remove deletes a stored set on the server, its GO last: what a crash leaves
// can still be told from a set that was never fetched. The ledger hears of it
// before GO goes, so that a crash cannot keep it from hearing at all. gone are
// replies of the set that an earlier run deleted.
func (f *Fetcher) remove(ctx context.Context, env naming.Environment, g *group, files []*file, gone []int64, s *ReplySet) error {
	errs := make([]error, len(files))
	var wg sync.WaitGroup
	for i, x := range files {
		wg.Go(func() { errs[i] = f.removeFile(ctx, env, x.name.String()) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, x := range files[:len(g.replies)] {
		gone = append(gone, x.replyID)
	}
	slices.Sort(gone)
	for _, id := range slices.Compact(gone) {
		if err := f.ledger.Deleted(ctx, id, f.opt.Now().UTC()); err != nil {
			return err
		}
	}
	for _, name := range append(g.moreGOs, g.goName) {
		if err := f.removeFile(ctx, env, name); err != nil {
			return err
		}
	}
	s.Deleted = true
	return nil
}

func (f *Fetcher) removeFile(ctx context.Context, env naming.Environment, name string) error {
	err := f.flight.Once(ctx, func() error { return f.session.Remove(ctx, path.Join(env.Outbox(), name)) })
	if errors.Is(err, transport.ErrNotFound) {
		return nil // another client, or an earlier run that broke off
	}
	return err
}

// finishAlone deals with a GO whose replies are not, or not all, there. When
// every file of it was stored before, an earlier run broke off while it
// deleted, and the rest is deleted now.
//
// The office may use a name again, and a folder that is written while it is
// listed may show the new GO without its replies. So the folder is looked at a
// second time, and the GO stays when anything of the set has come since.
func (f *Fetcher) finishAlone(ctx context.Context, env naming.Environment, dir string, g *group, lookAgain func() (map[groupID]*group, error), s *ReplySet) error {
	why := g.missing()
	goName, err := naming.Parse(g.goName)
	if err != nil {
		return err
	}
	rest, err := f.storedBefore(ctx, env, goName)
	if err != nil {
		return err
	}
	if rest == nil || f.opt.Keep {
		return &IncompleteError{GO: g.goName, Err: why}
	}
	now, err := lookAgain()
	if err != nil {
		return err
	}
	if now[g.groupID].more(g) {
		return &IncompleteError{GO: g.goName, Err: why}
	}
	// What is still there is compared with what is stored before it goes.
	files, err := f.storeFiles(ctx, env, dir, g)
	if err != nil {
		return err
	}
	for _, x := range files {
		if x.replyID == 0 || x.conflict {
			return &IncompleteError{GO: g.goName, Err: why}
		}
	}
	return f.remove(context.WithoutCancel(ctx), env, g, files, rest, s)
}

// storedBefore gives the ids of the stored replies of a set when all of its
// parts are stored, else nil.
func (f *Fetcher) storedBefore(ctx context.Context, env naming.Environment, goName naming.Name) ([]int64, error) {
	var ids []int64
	for part := min(1, goName.Parts); part <= goName.Parts; part++ {
		n := goName
		n.Part = part
		found := int64(0)
		for _, k := range []naming.Kind{naming.FO, naming.CO} {
			stored, err := f.ledger.FilesNamed(ctx, env, n.WithKind(k).String())
			if err != nil {
				return nil, err
			}
			for _, st := range stored {
				found = st.ReplyID
			}
		}
		if found == 0 {
			return nil, nil
		}
		ids = append(ids, found)
	}
	return ids, nil
}

// IncompleteError is a set whose GO is there and whose replies are not.
type IncompleteError struct {
	GO  string
	Err error
}

func (e *IncompleteError) Error() string { return fmt.Sprintf("%s: %v", e.GO, e.Err) }

func (e *IncompleteError) Unwrap() error { return e.Err }
