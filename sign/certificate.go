package sign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"
)

// MaxCertificatesSize is the largest input of [ParseCertificates], in bytes.
const MaxCertificatesSize = 8 << 20

// ParseCertificates reads the certificates of a root or chain file: PEM (any
// number of blocks, other blocks and text between them skipped) or DER (one or
// several, concatenated). At least one certificate, or an error: [ErrTooLarge],
// or [ErrNoCertificate] with the place of what cannot be read.
func ParseCertificates(pemOrDER []byte) ([]*x509.Certificate, error) {
	if len(pemOrDER) > MaxCertificatesSize {
		return nil, fail(ErrTooLarge, fmt.Sprintf("certificates of more than %d bytes", MaxCertificatesSize))
	}
	data := bytes.TrimPrefix(pemOrDER, utf8BOM)
	if len(data) > 0 && data[0] == 0x30 {
		certs, err := x509.ParseCertificates(data)
		if err != nil {
			return nil, failBy(ErrNoCertificate, err)
		}
		return certs, nil
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &Error{
				Reason: ErrNoCertificate, Err: err,
				Detail: fmt.Sprintf("certificate %d: %s", len(certs)+1, printable(err.Error())),
			}
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, fail(ErrNoCertificate, "neither PEM nor DER")
	}
	return certs, nil
}

// CertificateInfo describes a certificate to a person. All text is printable.
type CertificateInfo struct {
	Owner       string // common name, else the whole subject name
	Issuer      string // likewise
	Serial      string // upper-case hexadecimal
	NotBefore   time.Time
	NotAfter    time.Time
	Fingerprint string // SHA-256 of the DER, upper-case hexadecimal with colons, as openssl prints it
	SHA1        string // likewise, as Windows and portals show it
	Key         string // "RSA 2048", "ECDSA P-384", …
	// KeyUsage has the names of RFC 5280, such as "nonRepudiation"; empty where
	// the certificate names none.
	KeyUsage []string
}

// Describe describes a certificate.
func Describe(c *x509.Certificate) CertificateInfo {
	sum, short := sha256.Sum256(c.Raw), sha1.Sum(c.Raw)
	return CertificateInfo{
		Owner:       nameOf(c.Subject),
		Issuer:      nameOf(c.Issuer),
		Serial:      serialText(c.SerialNumber),
		NotBefore:   c.NotBefore,
		NotAfter:    c.NotAfter,
		Fingerprint: colons(sum[:]),
		SHA1:        colons(short[:]),
		Key:         keyText(c.PublicKey),
		KeyUsage:    keyUsage(c),
	}
}

// CheckCertificate tells whether a certificate may sign at the given time; see
// [Identity.Check].
func CheckCertificate(c *x509.Certificate, now time.Time) error {
	if err := checkStrength(c); err != nil {
		return err
	}
	if err := checkValidity(c, now); err != nil {
		return err
	}
	return checkKeyUsage(c)
}

func colons(sum []byte) string {
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", x)
	}
	return b.String()
}

func keyUsage(c *x509.Certificate) []string {
	var list []string
	for i, name := range []string{
		"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign",
		"encipherOnly", "decipherOnly",
	} {
		if c.KeyUsage&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

func nameOf(n pkix.Name) string {
	if cn := strings.TrimSpace(n.CommonName); cn != "" {
		return printable(cn)
	}
	return printable(n.String())
}

func serialText(n *big.Int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%X", n)
}

func keyText(pub any) string {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return "unknown"
	}
}

// printable keeps text from a certificate from steering a terminal.
func printable(s string) string {
	const limit = 256
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}
