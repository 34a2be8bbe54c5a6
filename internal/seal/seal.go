// Package seal encrypts files for a recipient of age and reads them again with
// the identity of that recipient. Who only encrypts needs no secret.
package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/socbatch/socbatch/internal/durable"
	"github.com/socbatch/socbatch/internal/problem"
)

// Suffix ends the names of encrypted files.
const Suffix = ".age"

// Recipients are those who can read what is encrypted, each alone.
type Recipients struct{ list []age.Recipient }

// ParseRecipients reads recipients as age-keygen prints them: age1…
// The texts are never part of an error: somebody may have taken the secret for
// the public half.
func ParseRecipients(texts ...string) (*Recipients, error) {
	out := &Recipients{}
	for _, t := range texts {
		t = strings.TrimSpace(t)
		if strings.HasPrefix(strings.ToUpper(t), "AGE-SECRET-KEY-") {
			return nil, problem.New("that is a secret key: put the public key here, which begins with age1")
		}
		found, err := age.ParseRecipients(strings.NewReader(t))
		if err != nil {
			return nil, problem.New("not a recipient of age: it begins with age1, as age-keygen prints it")
		}
		out.list = append(out.list, found...)
	}
	if len(out.list) == 0 {
		return nil, problem.New("no recipient is named")
	}
	// Which recipients go together shows when something is encrypted for them.
	if _, err := age.Encrypt(io.Discard, out.list...); err != nil {
		return nil, problem.New("these recipients cannot be used together: all must begin with age1pq1, or none")
	}
	return out, nil
}

// Encrypt gives a writer whose input goes encrypted to w. Closing it ends the
// encrypted file, and does not close w.
func (r *Recipients) Encrypt(w io.Writer) (io.WriteCloser, error) {
	return age.Encrypt(w, r.list...)
}

// SealFile encrypts a file to one of the same name with Suffix, which is on the
// disk when it returns and replaces what had that name. temp is a directory of
// the same file system. The file itself stays.
func (r *Recipients) SealFile(disk *durable.Disk, path, temp string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // only read
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return problem.New("%s is not a file", path)
	}
	out, err := disk.Create(temp, "*"+Suffix)
	if err != nil {
		return err
	}
	defer out.Discard() //nolint:errcheck // after Commit it does nothing
	w, err := r.Encrypt(out)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, in)
	if err != nil {
		return err
	}
	if n != info.Size() {
		return problem.New("%s changed while it was encrypted", path)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Commit(path + Suffix)
}

// Identities can read what was encrypted for their recipients.
type Identities struct {
	path string
	list []age.Identity
}

// maxIdentity bounds an identity file, in bytes.
const maxIdentity = 1 << 20

// OpenIdentities reads an identity file as age-keygen writes it. Where it is
// encrypted with a passphrase, that is asked for.
func OpenIdentities(path string, passphrase func() (string, error)) (*Identities, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, maxIdentity+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxIdentity {
		return nil, problem.New("%s is too large to be an identity of age", path)
	}
	if text, err = unlocked(path, text, passphrase); err != nil {
		return nil, err
	}
	// The library's errors are not passed on: none may quote the secret.
	list, err := age.ParseIdentities(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	if err != nil {
		return nil, problem.New("%s is not an identity of age: a line of it begins with AGE-SECRET-KEY-", path)
	}
	return &Identities{path, list}, nil
}

// ErrWrongPassphrase says that an identity file opens with another one.
var ErrWrongPassphrase = errors.New("the passphrase is not right")

// maxWork bounds the work that an identity file may ask for: 2^22 takes a
// minute and 4 GiB.
const maxWork = 22

func unlocked(path string, text []byte, passphrase func() (string, error)) ([]byte, error) {
	var in io.Reader
	switch {
	case bytes.HasPrefix(text, []byte("age-encryption.org/")):
		in = bytes.NewReader(text)
	case bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header)):
		in = armor.NewReader(bytes.NewReader(text))
	default:
		return text, nil
	}
	pass, err := passphrase()
	if err != nil {
		return nil, err
	}
	var none *age.NoIdentityMatchError
	var out io.Reader
	id, err := age.NewScryptIdentity(pass)
	if err == nil {
		id.SetMaxWorkFactor(maxWork)
		out, err = age.Decrypt(in, id)
	} else { // the empty passphrase
		return nil, fmt.Errorf("%s: %w", path, ErrWrongPassphrase)
	}
	switch {
	case errors.As(err, &none) && len(none.StanzaTypes) > 0 && none.StanzaTypes[0] != "scrypt":
		return nil, problem.New("%s is encrypted, but not with a passphrase", path)
	case errors.As(err, &none):
		return nil, fmt.Errorf("%s: %w", path, ErrWrongPassphrase)
	case err != nil:
		return nil, problem.New("%s is damaged: it cannot be decrypted", path)
	}
	plain, err := io.ReadAll(io.LimitReader(out, maxIdentity))
	if err != nil {
		return nil, problem.New("%s is damaged: it cannot be decrypted", path)
	}
	return plain, nil
}

// File is an encrypted file that is open for reading, in clear and at any
// place. Nothing of it is written anywhere.
type File struct {
	io.ReaderAt
	Size int64 // in clear
	file *os.File
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Reader reads the file from its beginning.
func (f *File) Reader() io.Reader { return io.NewSectionReader(f, 0, f.Size) }

// OtherRecipientError says that a file was encrypted for somebody else.
type OtherRecipientError struct {
	Path     string // of the encrypted file
	Identity string // file that was tried
}

func (e *OtherRecipientError) Error() string { return e.problem().Error() }

// Said is as that of problem.Error.
func (e *OtherRecipientError) Said() (format string, args []any) { return e.problem().Said() }

func (e *OtherRecipientError) problem() *problem.Error {
	return problem.New("%s was not encrypted for the identity in %s", e.Path, e.Identity)
}

// Open opens an encrypted file. A damage in the middle shows while reading.
func (i *Identities) Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	out, err := i.open(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return out, nil
}

func (i *Identities) open(f *os.File) (*File, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	r, size, err := age.DecryptReaderAt(f, info.Size(), i.list...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, &OtherRecipientError{f.Name(), i.path}
	case err != nil:
		return nil, problem.New("%s is damaged: it cannot be decrypted", f.Name())
	}
	return &File{r, size, f}, nil
}
