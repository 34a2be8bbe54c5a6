package sign

import (
	"bytes"
	"crypto"
	encasn1 "encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxCertificates bounds how many certificates of a signature are parsed.
const maxCertificates = 64

var (
	oidSignedData    = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSigningTime   = encasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 5}

	context1Cons = asn1.Tag(1).ContextSpecific().Constructed()
)

// The algorithms that are accepted, by the content octets of their identifiers.
var (
	digestAlgorithms = map[string]crypto.Hash{
		rawOID(2, 16, 840, 1, 101, 3, 4, 2, 1): crypto.SHA256,
		rawOID(2, 16, 840, 1, 101, 3, 4, 2, 2): crypto.SHA384,
		rawOID(2, 16, 840, 1, 101, 3, 4, 2, 3): crypto.SHA512,
	}
	signatureAlgorithms = map[string]struct {
		family string
		hash   crypto.Hash // 0: any
	}{
		rawOID(1, 2, 840, 113549, 1, 1, 1):  {"RSA", 0}, // rsaEncryption
		rawOID(1, 2, 840, 113549, 1, 1, 11): {"RSA", crypto.SHA256},
		rawOID(1, 2, 840, 113549, 1, 1, 12): {"RSA", crypto.SHA384},
		rawOID(1, 2, 840, 113549, 1, 1, 13): {"RSA", crypto.SHA512},
		rawOID(1, 2, 840, 10045, 4, 3, 2):   {"ECDSA", crypto.SHA256},
		rawOID(1, 2, 840, 10045, 4, 3, 3):   {"ECDSA", crypto.SHA384},
		rawOID(1, 2, 840, 10045, 4, 3, 4):   {"ECDSA", crypto.SHA512},
	}
)

// rawOID gives an identifier's content octets. Comparing these avoids the limits of
// parsers on what an identifier may hold.
func rawOID(arcs ...int) string {
	der, err := encasn1.Marshal(encasn1.ObjectIdentifier(arcs))
	if err != nil {
		panic(err) // a constant above is wrong
	}
	return string(der[2:])
}

// signedData is what was read of a SignedData (RFC 5652) with its one signer.
type signedData struct {
	version       int64
	certificates  [][]byte // DER of each X.509 certificate
	crls          bool
	issuer        []byte // DER of the signer's issuer name
	serial        *big.Int
	hash          crypto.Hash
	family        string // of the signature algorithm: "RSA" or "ECDSA"
	signedAttrs   []byte // as they are digested: with the tag of a SET
	unsignedAttrs bool
	attrs         signedAttributes
	signature     []byte
}

type signedAttributes struct {
	messageDigest []byte
	signingTime   time.Time // zero if absent
	sorted        bool      // as DER demands
}

// parseSignedData reads a detached SignedData over content of type data with exactly
// one signer, from DER that toDER has made or checked.
func parseSignedData(der []byte) (*signedData, error) {
	in := cryptobyte.String(der)
	var info, wrapped, body cryptobyte.String
	var oid encasn1.ObjectIdentifier
	if !in.ReadASN1(&info, asn1.SEQUENCE) || !in.Empty() || !info.ReadASN1ObjectIdentifier(&oid) {
		return nil, fail(ErrMalformed, "not a CMS structure")
	}
	if !oid.Equal(oidSignedData) {
		return nil, fail(ErrMalformed, "a CMS structure, but not SignedData")
	}
	if !info.ReadASN1(&wrapped, context0Cons) || !info.Empty() ||
		!wrapped.ReadASN1(&body, asn1.SEQUENCE) || !wrapped.Empty() {
		return nil, fail(ErrMalformed, "SignedData")
	}

	sd := &signedData{}
	var digests, content, certs, crls, signers cryptobyte.String
	var hasCerts bool
	if !body.ReadASN1Integer(&sd.version) || !body.ReadASN1(&digests, asn1.SET) ||
		!body.ReadASN1(&content, asn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&certs, &hasCerts, context0Cons) ||
		!body.ReadOptionalASN1(&crls, &sd.crls, context1Cons) ||
		!body.ReadASN1(&signers, asn1.SET) || !body.Empty() {
		return nil, fail(ErrMalformed, "SignedData")
	}
	if sd.version < 1 || sd.version > 5 {
		return nil, fail(ErrVersion, "SignedData")
	}
	if err := checkDetached(content); err != nil {
		return nil, err
	}
	if err := sd.readCertificates(certs); err != nil {
		return nil, err
	}

	var signer cryptobyte.String
	if signers.Empty() {
		return nil, fail(ErrNoSigner, "")
	}
	if !signers.ReadASN1(&signer, asn1.SEQUENCE) {
		return nil, fail(ErrMalformed, "SignerInfo")
	}
	if !signers.Empty() {
		return nil, fail(ErrSeveralSigners, "")
	}
	if err := sd.readSigner(signer); err != nil {
		return nil, err
	}
	for !digests.Empty() {
		_, hash, err := readDigestAlgorithm(&digests)
		if err != nil {
			return nil, err
		}
		if hash == sd.hash {
			return sd, nil
		}
	}
	return nil, fail(ErrMalformed, "digest algorithm of the signer not announced")
}

func checkDetached(content cryptobyte.String) error {
	var oid encasn1.ObjectIdentifier
	if !content.ReadASN1ObjectIdentifier(&oid) {
		return fail(ErrMalformed, "content type")
	}
	if !oid.Equal(oidPKCS7Data) {
		return fail(ErrContentType, oid.String())
	}
	if !content.Empty() {
		return fail(ErrNotDetached, "")
	}
	return nil
}

// readCertificates keeps the X.509 certificates; other kinds are skipped.
func (sd *signedData) readCertificates(certs cryptobyte.String) error {
	for !certs.Empty() {
		var cert cryptobyte.String
		var tag asn1.Tag
		if !certs.ReadAnyASN1Element(&cert, &tag) {
			return fail(ErrMalformed, "certificates")
		}
		if tag != asn1.SEQUENCE {
			continue
		}
		if len(sd.certificates) == maxCertificates {
			return fail(ErrMalformed, "too many certificates")
		}
		sd.certificates = append(sd.certificates, cert)
	}
	return nil
}

func (sd *signedData) readSigner(in cryptobyte.String) error {
	var version int64
	if !in.ReadASN1Integer(&version) {
		return fail(ErrMalformed, "SignerInfo")
	}
	if in.PeekASN1Tag(context0) || in.PeekASN1Tag(context0Cons) {
		return fail(ErrSignerID, "")
	}
	if version != 1 {
		return fail(ErrVersion, "SignerInfo")
	}
	var id, issuer cryptobyte.String
	sd.serial = new(big.Int)
	if !in.ReadASN1(&id, asn1.SEQUENCE) || !id.ReadASN1Element(&issuer, asn1.SEQUENCE) ||
		!id.ReadASN1Integer(sd.serial) || !id.Empty() {
		return fail(ErrMalformed, "issuer and serial number")
	}
	sd.issuer = issuer

	name, hash, err := readDigestAlgorithm(&in)
	if err != nil {
		return err
	}
	if hash == 0 {
		return fail(ErrAlgorithm, "digest "+name)
	}
	sd.hash = hash

	if !in.PeekASN1Tag(context0Cons) {
		return fail(ErrNoSignedAttributes, "none at all")
	}
	var attrs, value, unsigned cryptobyte.String
	if !in.ReadASN1Element(&attrs, context0Cons) {
		return fail(ErrMalformed, "signed attributes")
	}
	// RFC 5652, 5.4: digested with the tag of a SET, not the one they are sent with.
	sd.signedAttrs = bytes.Clone(attrs)
	sd.signedAttrs[0] = tagSet

	if err := sd.readSignatureAlgorithm(&in); err != nil {
		return err
	}
	if !in.ReadASN1(&value, asn1.OCTET_STRING) ||
		!in.ReadOptionalASN1(&unsigned, &sd.unsignedAttrs, context1Cons) || !in.Empty() {
		return fail(ErrMalformed, "SignerInfo")
	}
	sd.signature = value
	return sd.readAttributes(sd.signedAttrs)
}

// readAlgorithm reads an AlgorithmIdentifier whose parameters are absent or NULL, as
// those of all accepted algorithms are.
func readAlgorithm(in *cryptobyte.String) (oid string, plain, ok bool) {
	var alg, id cryptobyte.String
	if !in.ReadASN1(&alg, asn1.SEQUENCE) || !alg.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) {
		return "", false, false
	}
	return string(id), alg.Empty() || bytes.Equal(alg, []byte{5, 0}), true
}

// readDigestAlgorithm gives hash 0 for one that is not accepted.
func readDigestAlgorithm(in *cryptobyte.String) (name string, hash crypto.Hash, err error) {
	oid, plain, ok := readAlgorithm(in)
	if !ok {
		return "", 0, fail(ErrMalformed, "digest algorithm")
	}
	if hash = digestAlgorithms[oid]; hash != 0 && plain {
		return hash.String(), hash, nil
	}
	return oidText(oid), 0, nil
}

func (sd *signedData) readSignatureAlgorithm(in *cryptobyte.String) error {
	oid, plain, ok := readAlgorithm(in)
	if !ok {
		return fail(ErrMalformed, "signature algorithm")
	}
	alg, known := signatureAlgorithms[oid]
	if !known || !plain {
		return fail(ErrAlgorithm, "signature "+oidText(oid))
	}
	if alg.hash != 0 && alg.hash != sd.hash {
		return fail(ErrAlgorithm, "signature and digest algorithm differ")
	}
	sd.family = alg.family
	return nil
}

// oidText names an identifier for a person, as far as it can be parsed.
func oidText(raw string) string {
	switch raw {
	case rawOID(1, 3, 14, 3, 2, 26):
		return "SHA-1"
	case rawOID(1, 2, 840, 113549, 2, 5):
		return "MD5"
	case rawOID(1, 2, 840, 113549, 1, 1, 5), rawOID(1, 2, 840, 10045, 4, 1):
		return "with SHA-1"
	case rawOID(1, 2, 840, 113549, 1, 1, 10):
		return "RSA-PSS"
	}
	var oid encasn1.ObjectIdentifier
	der := append([]byte{byte(asn1.OBJECT_IDENTIFIER)}, derLength(len(raw))...)
	if rest, err := encasn1.Unmarshal(append(der, raw...), &oid); err != nil || len(rest) > 0 || len(oid) > 32 {
		return "unknown"
	}
	return oid.String()
}

// readAttributes reads the SET of signed attributes. No type may occur twice; those
// that are read must have a single value.
func (sd *signedData) readAttributes(set []byte) error {
	in := cryptobyte.String(set)
	var attrs cryptobyte.String
	if !in.ReadASN1(&attrs, asn1.SET) || !in.Empty() {
		return fail(ErrMalformed, "signed attributes")
	}
	seen := map[string]bool{}
	var last cryptobyte.String
	sd.attrs.sorted = true
	for !attrs.Empty() {
		var element, attr, id, values cryptobyte.String
		if !attrs.ReadASN1Element(&element, asn1.SEQUENCE) {
			return fail(ErrSignedAttributes, "not a list of attributes")
		}
		if bytes.Compare(last, element) > 0 {
			sd.attrs.sorted = false
		}
		last = element
		if !element.ReadASN1(&attr, asn1.SEQUENCE) || !attr.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!attr.ReadASN1(&values, asn1.SET) || !attr.Empty() || values.Empty() {
			return fail(ErrSignedAttributes, "not a list of attributes")
		}
		if seen[string(id)] {
			return fail(ErrSignedAttributes, "repeated: "+oidText(string(id)))
		}
		seen[string(id)] = true
		if err := sd.readAttribute(string(id), values); err != nil {
			return err
		}
	}
	if !seen[attrContentType] {
		return fail(ErrNoSignedAttributes, "content type")
	}
	if !seen[attrMessageDigest] {
		return fail(ErrNoSignedAttributes, "message digest")
	}
	return nil
}

var (
	attrContentType   = rawOID(oidContentType...)
	attrMessageDigest = rawOID(oidMessageDigest...)
	attrSigningTime   = rawOID(oidSigningTime...)
)

func (sd *signedData) readAttribute(id string, values cryptobyte.String) error {
	switch id {
	case attrContentType:
		var oid encasn1.ObjectIdentifier
		if !values.ReadASN1ObjectIdentifier(&oid) || !values.Empty() {
			return fail(ErrSignedAttributes, "content type")
		}
		if !oid.Equal(oidPKCS7Data) {
			return fail(ErrContentType, "signed attribute: "+oid.String())
		}
	case attrMessageDigest:
		var digest cryptobyte.String
		if !values.ReadASN1(&digest, asn1.OCTET_STRING) || !values.Empty() {
			return fail(ErrSignedAttributes, "message digest")
		}
		sd.attrs.messageDigest = digest
	case attrSigningTime:
		ok := false
		if values.PeekASN1Tag(asn1.UTCTime) {
			ok = values.ReadASN1UTCTime(&sd.attrs.signingTime)
		} else {
			ok = values.ReadASN1GeneralizedTime(&sd.attrs.signingTime)
		}
		if !ok || !values.Empty() || sd.attrs.signingTime.IsZero() { // zero stands for "none"
			return fail(ErrSignedAttributes, "signing time")
		}
		sd.attrs.signingTime = sd.attrs.signingTime.UTC()
	}
	return nil
}
