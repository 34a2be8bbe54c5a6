package sign

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"hash"
)

// LineEnds counts what makes verifiers disagree about the content of a signature.
// Some convert line ends before they digest, and one stops at the first NUL.
type LineEnds struct {
	CRLF int64 // CR LF pairs
	LF   int64 // line feeds that follow no CR
	CR   int64 // carriage returns that no LF follows
	NUL  int64 // zero bytes
}

// Clean reports that every known verifier digests the same bytes.
func (l LineEnds) Clean() bool { return l.LF == 0 && l.CR == 0 && l.NUL == 0 }

// Report tells what was signed.
type Report struct {
	Bytes    int64 // length of the content
	SHA256   [sha256.Size]byte
	LineEnds LineEnds
}

// Digest takes in the content of a signature. It is an [io.Writer] for a caller that
// reads the file anyway, for example to copy it: write every byte once, in order,
// then call [Digest.Sign]. Writing never fails. Not for concurrent use.
type Digest struct {
	id     *Identity
	sha256 hash.Hash
	other  hash.Hash // set if the identity signs another digest than SHA-256
	bytes  int64
	lf, cr int64
	crlf   int64
	nul    int64
	lastCR bool
}

// NewDigest starts a digest for an identity. With a nil identity it only counts and
// hashes; Sign then fails with [ErrNoIdentity].
func NewDigest(id *Identity) *Digest {
	d := &Digest{id: id, sha256: sha256.New()}
	if id != nil && id.hash != crypto.SHA256 {
		d.other = id.hash.New()
	}
	return d
}

// digestBlock keeps the passes over one block within the processor's cache.
const digestBlock = 32 << 10

// Write takes in content. The error is always nil.
func (d *Digest) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		block := p[:min(digestBlock, len(p))]
		d.sha256.Write(block)
		if d.other != nil {
			d.other.Write(block)
		}
		d.count(block)
		p = p[len(block):]
	}
	return n, nil
}

func (d *Digest) count(p []byte) {
	d.bytes += int64(len(p))
	d.nul += int64(bytes.Count(p, []byte{0}))
	lf := int64(bytes.Count(p, []byte{'\n'}))
	cr := int64(bytes.Count(p, []byte{'\r'}))
	d.lf += lf
	d.cr += cr
	if lf > 0 && (cr > 0 || d.lastCR) {
		if p[0] == '\n' && d.lastCR {
			d.crlf++
		}
		for i := 1; i < len(p); i++ {
			j := bytes.IndexByte(p[i:], '\n')
			if j < 0 {
				break
			}
			if i += j; p[i-1] == '\r' {
				d.crlf++
			}
		}
	}
	d.lastCR = p[len(p)-1] == '\r'
}

// Report tells what was written so far.
func (d *Digest) Report() Report {
	r := Report{
		Bytes:    d.bytes,
		LineEnds: LineEnds{CRLF: d.crlf, LF: d.lf - d.crlf, CR: d.cr - d.crlf, NUL: d.nul},
	}
	d.sha256.Sum(r.SHA256[:0])
	return r
}

// sum is the digest that the identity signs.
func (d *Digest) sum() []byte {
	if d.other != nil {
		return d.other.Sum(nil)
	}
	return d.sha256.Sum(nil)
}
