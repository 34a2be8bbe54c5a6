package sign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"go.mozilla.org/pkcs7"

	"github.com/socbatch/socbatch/internal/readers"
)

// Options says how to sign. The zero value is what the batch channel expects.
type Options struct {
	// SigningTime is the time that the signature claims, to the second; zero: now.
	// The certificate must be valid then.
	SigningTime time.Time
	// IncludeChain puts the known issuers of the certificate in as well, but not the
	// root. Default: the signer's certificate only.
	IncludeChain bool
}

// Sign signs everything that r delivers and returns a detached CMS SignedData in
// DER: version 1, one signer (version 1, issuer and serial number), SHA-256 (SHA-384
// for P-384 keys), with the signed attributes content type, message digest and
// signing time, without unsigned attributes and revocation lists. For RSA it is, byte
// for byte, what "openssl smime -sign -binary -nosmimecap" makes at the same time.
// Memory does not depend on the length of r.
//
// Errors: those of [Identity.Check], [ErrNoIdentity], and, wrapped, those of r, ctx
// and the signer. On an error no signature is returned.
func Sign(ctx context.Context, r io.Reader, id *Identity, opts Options) (der []byte, rep Report, err error) {
	if id == nil {
		return nil, Report{}, fail(ErrNoIdentity, "")
	}
	if opts.SigningTime.IsZero() {
		opts.SigningTime = time.Now()
	}
	// Asked before the work too, so that a long file does not end in "expired".
	if err := id.Check(opts.SigningTime); err != nil {
		return nil, Report{}, err
	}
	d := NewDigest(id)
	if err := copyContent(d, readers.WithContext(ctx, r)); err != nil {
		return nil, Report{}, fmt.Errorf("read content to sign: %w", err)
	}
	if der, err = d.Sign(opts); err != nil {
		return nil, Report{}, err
	}
	return der, d.Report(), nil
}

// Sign signs what was written; see the function [Sign] for form and errors.
func (d *Digest) Sign(opts Options) (der []byte, err error) {
	if d.id == nil {
		return nil, fail(ErrNoIdentity, "")
	}
	if opts.SigningTime.IsZero() {
		opts.SigningTime = time.Now()
	}
	if err := d.id.Check(opts.SigningTime); err != nil {
		return nil, err
	}
	return d.id.signedData(d.sum(), opts)
}

// signedData builds the structure with the library. The library's own AddSigner wants
// the whole content in memory, prefers SHA-1 and takes no foreign signers; so it
// builds a signer without attributes here, whose fields are then filled in.
func (id *Identity) signedData(digest []byte, opts Options) ([]byte, error) {
	digestOID, sigAlg := id.algorithms()
	sd, err := pkcs7.NewSignedData(nil)
	if err != nil {
		return nil, fmt.Errorf("build signature: %w", err)
	}
	sd.SetDigestAlgorithm(digestOID)
	sd.SetEncryptionAlgorithm(sigAlg.Algorithm)
	if err := sd.SignWithoutAttr(id.leaf, placeholder{}, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("build signature: %w", err)
	}
	data := sd.GetSignedData()
	signer := &data.SignerInfos[0]
	// OpenSSL writes NULL parameters, and so do the clients known to work.
	data.DigestAlgorithmIdentifiers[0].Parameters = asn1.NullRawValue
	signer.DigestAlgorithm.Parameters = asn1.NullRawValue
	signer.DigestEncryptionAlgorithm = sigAlg

	// The setter sorts the attributes as DER demands; there is none for the signed ones.
	err = signer.SetUnauthenticatedAttributes([]pkcs7.Attribute{
		{Type: pkcs7.OIDAttributeContentType, Value: pkcs7.OIDData},
		{Type: pkcs7.OIDAttributeMessageDigest, Value: digest},
		{Type: pkcs7.OIDAttributeSigningTime, Value: opts.SigningTime.UTC().Truncate(time.Second)},
	})
	if err != nil {
		return nil, fmt.Errorf("build signature: %w", err)
	}
	signer.AuthenticatedAttributes, signer.UnauthenticatedAttributes = signer.UnauthenticatedAttributes, nil
	attrs, err := asn1.MarshalWithParams(signer.AuthenticatedAttributes, "set")
	if err != nil {
		return nil, fmt.Errorf("build signature: %w", err)
	}
	if signer.EncryptedDigest, err = id.signAttributes(attrs); err != nil {
		return nil, err
	}

	sd.Detach()
	der, err := finish(sd, id.leaf, id.included(opts))
	if err != nil {
		return nil, fmt.Errorf("build signature: %w", err)
	}
	return der, nil
}

// finish encodes the structure. The certificates are a SET, so DER wants them sorted;
// the library has already added the leaf and only appends.
func finish(sd *pkcs7.SignedData, leaf *x509.Certificate, others []*x509.Certificate) ([]byte, error) {
	certs := append([]*x509.Certificate{leaf}, others...)
	slices.SortFunc(certs, func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	if len(certs) == 1 {
		return sd.Finish()
	}
	sorted, err := pkcs7.NewSignedData(nil)
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		sorted.AddCertificate(c)
	}
	*sorted.GetSignedData() = *sd.GetSignedData()
	return sorted.Finish()
}

func (id *Identity) included(opts Options) []*x509.Certificate {
	if !opts.IncludeChain {
		return nil
	}
	return slices.DeleteFunc(id.Chain(), isSelfIssued)
}

func (id *Identity) algorithms() (digest asn1.ObjectIdentifier, sig pkix.AlgorithmIdentifier) {
	switch {
	case id.hash == crypto.SHA384:
		return pkcs7.OIDDigestAlgorithmSHA384, pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmECDSASHA384}
	case isRSA(id.leaf):
		return pkcs7.OIDDigestAlgorithmSHA256, pkix.AlgorithmIdentifier{
			Algorithm: pkcs7.OIDEncryptionAlgorithmRSA, Parameters: asn1.NullRawValue,
		}
	default:
		return pkcs7.OIDDigestAlgorithmSHA256, pkix.AlgorithmIdentifier{Algorithm: pkcs7.OIDDigestAlgorithmECDSASHA256}
	}
}

func isRSA(c *x509.Certificate) bool {
	_, ok := c.PublicKey.(*rsa.PublicKey)
	return ok
}

func (id *Identity) signAttributes(attrs []byte) ([]byte, error) {
	h := id.hash.New()
	h.Write(attrs)
	digest := h.Sum(nil)
	sig, err := id.signer.Sign(rand.Reader, digest, id.hash)
	if err != nil {
		return nil, fmt.Errorf("sign with the key of %s: %w", nameOf(id.leaf.Subject), err)
	}
	// A card or its driver may use another form or another key than it says.
	if err := checkSignature(id.leaf.PublicKey, id.hash, digest, sig); err != nil {
		return nil, fail(ErrBadSignature, "the key of "+nameOf(id.leaf.Subject)+" made a signature that its certificate does not fit")
	}
	return sig, nil
}

// checkSignature checks a signature value over a digest.
func checkSignature(pub crypto.PublicKey, hash crypto.Hash, digest, sig []byte) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if rsa.VerifyPKCS1v15(k, hash, digest, sig) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		if ecdsa.VerifyASN1(k, digest, sig) {
			return nil
		}
	}
	return fail(ErrBadSignature, "")
}

// placeholder satisfies the library until the real signature value is there.
type placeholder struct{}

func (placeholder) Public() crypto.PublicKey { return nil }

func (placeholder) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return []byte{0}, nil }

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// copyContent is io.Copy with a buffer that the next file uses again.
func copyContent(w io.Writer, r io.Reader) error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, *buf)
	return err
}

// onlyWriter and onlyReader hide methods that would make io.Copy bring its own buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
