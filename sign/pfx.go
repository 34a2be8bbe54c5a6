package sign

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	encasn1 "encoding/asn1"
	"errors"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// This file rewrites PKCS#12 files (RFC 7292) that are right but not DER, so that a
// library for DER reads them. No encryption is undone for that: what is encrypted
// stays as it is, and only the MAC over the rewritten bytes is made anew.

var (
	oidPKCS7Data      = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidPKCS7Encrypted = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidPBKDF2         = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBMAC1         = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidHMACSHA256     = encasn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}

	context0           = asn1.Tag(0).ContextSpecific()
	context0Cons       = context0.Constructed()
	errPFX             = errors.New("not the structure of a PKCS#12 file")
	errPasswordCharset = errors.New("the password has a character that cannot be expressed")
)

// pfx is a PKCS#12 file whose outer structure is DER.
type pfx struct {
	der  []byte
	safe cryptobyte.String // content of the AuthenticatedSafe's OCTET STRING
	mac  cryptobyte.String // MacData, empty if there is none
}

// openPFX reads the outer structure and drops what follows it.
func openPFX(data []byte) (*pfx, error) {
	der, _, err := toDER(data)
	if err != nil {
		return nil, err
	}
	p := &pfx{der: der}
	in := cryptobyte.String(der)
	var body, info, content cryptobyte.String
	var version int
	var oid encasn1.ObjectIdentifier
	if !in.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 3 ||
		!body.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidPKCS7Data) ||
		!info.ReadASN1(&content, context0Cons) || !content.ReadASN1(&p.safe, asn1.OCTET_STRING) {
		return nil, errPFX
	}
	p.mac = body
	return p, nil
}

func (p *pfx) hasMAC() bool { return len(p.mac) > 0 }

// remake gives the file with its inner structure in DER and a new MAC under password.
func (p *pfx) remake(password string) ([]byte, error) {
	if !utf8.ValidString(password) {
		return nil, errPasswordCharset
	}
	safe, err := remakeSafe(p.safe)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPKCS7Data)
			b.AddASN1(context0Cons, func(b *cryptobyte.Builder) { b.AddASN1OctetString(safe) })
		})
		addMAC(b, safe, password)
	})
	return b.Bytes()
}

// remakeSafe rewrites AuthenticatedSafe ::= SEQUENCE OF ContentInfo.
func remakeSafe(in []byte) ([]byte, error) {
	der, rest, err := toDER(in)
	if err != nil {
		return nil, err
	}
	safe := cryptobyte.String(der)
	var infos cryptobyte.String
	if len(rest) > 0 || !safe.ReadASN1(&infos, asn1.SEQUENCE) {
		return nil, errPFX
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !infos.Empty() {
			var info, content cryptobyte.String
			var oid encasn1.ObjectIdentifier
			if !infos.ReadASN1(&info, asn1.SEQUENCE) || !info.ReadASN1ObjectIdentifier(&oid) ||
				!info.ReadASN1(&content, context0Cons) {
				b.SetError(errPFX)
				return
			}
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oid)
				b.AddASN1(context0Cons, func(b *cryptobyte.Builder) {
					switch {
					case oid.Equal(oidPKCS7Data):
						remakeData(b, content)
					case oid.Equal(oidPKCS7Encrypted):
						remakeEncrypted(b, content)
					default:
						b.AddBytes(content)
					}
				})
			})
		}
	})
	return b.Bytes()
}

// remakeData rewrites the SafeContents within an OCTET STRING.
func remakeData(b *cryptobyte.Builder, content cryptobyte.String) {
	var octets cryptobyte.String
	if !content.ReadASN1(&octets, asn1.OCTET_STRING) {
		b.SetError(errPFX)
		return
	}
	bags, rest, err := toDER(octets)
	if err != nil || len(rest) > 0 {
		b.SetError(errPFX)
		return
	}
	b.AddASN1OctetString(bags)
}

// remakeEncrypted joins encrypted content that comes in pieces. Its tag is implicit,
// so toDER cannot know that the pieces belong to a string.
func remakeEncrypted(b *cryptobyte.Builder, content cryptobyte.String) {
	var data, info, algorithm, encrypted, pieces cryptobyte.String
	var version int64
	var oid encasn1.ObjectIdentifier
	var primitive, inPieces bool
	ok := content.ReadASN1(&data, asn1.SEQUENCE) && data.ReadASN1Integer(&version) &&
		data.ReadASN1(&info, asn1.SEQUENCE) && info.ReadASN1ObjectIdentifier(&oid) &&
		info.ReadASN1Element(&algorithm, asn1.SEQUENCE) &&
		info.ReadOptionalASN1(&encrypted, &primitive, context0) &&
		info.ReadOptionalASN1(&pieces, &inPieces, context0Cons)
	joined := bytes.Clone(encrypted)
	for ok && !pieces.Empty() {
		var piece cryptobyte.String
		ok = pieces.ReadASN1(&piece, asn1.OCTET_STRING)
		joined = append(joined, piece...)
	}
	if !ok || primitive == inPieces {
		b.SetError(errPFX)
		return
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(version)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddBytes(algorithm)
			b.AddASN1(context0, func(b *cryptobyte.Builder) { b.AddBytes(joined) })
		})
	})
}

// addMAC writes a MacData of the kind PBMAC1 (RFC 9579), which needs nothing outside
// the standard library. It lives only until the library has read it, hence the single
// iteration.
func addMAC(b *cryptobyte.Builder, content []byte, password string) {
	const iterations, size = 1, sha256.Size
	salt := make([]byte, 16)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, size)
	if err != nil {
		b.SetError(err)
		return
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(content)

	algorithm := func(b *cryptobyte.Builder, oid encasn1.ObjectIdentifier, params func(*cryptobyte.Builder)) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			params(b)
		})
	}
	null := func(b *cryptobyte.Builder) { b.AddASN1NULL() }
	sequence := func(f func(*cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, f) }
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			algorithm(b, oidPBMAC1, sequence(func(b *cryptobyte.Builder) {
				algorithm(b, oidPBKDF2, sequence(func(b *cryptobyte.Builder) {
					b.AddASN1OctetString(salt)
					b.AddASN1Int64(iterations)
					b.AddASN1Int64(size)
					algorithm(b, oidHMACSHA256, null)
				}))
				algorithm(b, oidHMACSHA256, null)
			}))
			b.AddASN1OctetString(mac.Sum(nil))
		})
		b.AddASN1OctetString(salt) // this and the next are ignored for PBMAC1
		b.AddASN1Int64(iterations)
	})
}

// countIterations sums the numbers of iterations in all password-based algorithms that
// can be seen without the password: wherever an OCTET STRING (the salt) is followed by
// an INTEGER. It is lenient, as the library's parser is, and looks into octet strings.
func countIterations(der []byte, depth int) int64 {
	total, salt := int64(0), false
	for in := der; depth <= maxDepth && len(in) > 0; {
		e, body, err := readElement(in)
		if err != nil || e.length < 0 {
			break
		}
		content := body[:e.length]
		in = body[e.length:]
		switch {
		case e.constructed:
			total += countIterations(content, depth+1)
		case e.tag[0] == tagOctets && len(content) > 2 && content[0] == tagSequence:
			total += countIterations(content, depth+1)
		case e.tag[0] == byte(asn1.INTEGER) && salt:
			total += clampedInt(content)
		}
		salt = e.tag[0] == tagOctets
		total = min(total, int64(tooMany))
	}
	return total
}

const tooMany = 1 << 30

func clampedInt(content []byte) int64 {
	n := int64(0)
	for _, b := range content {
		if n = n<<8 | int64(b); n > tooMany {
			return tooMany
		}
	}
	return n
}
