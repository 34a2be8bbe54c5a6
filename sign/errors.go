package sign

import "errors"

// Reasons why a key or certificate cannot be loaded or used. Match with errors.Is.
var (
	// ErrTooLarge: the input exceeds the size limit that its function documents.
	ErrTooLarge = errors.New("input too large")
	// ErrWrongPassword: the password does not open the PKCS#12 file. A file that
	// carries no checksum (MAC) gives this for damage too.
	ErrWrongPassword = errors.New("wrong password")
	// ErrEncoding: the file is no PKCS#12 file that can be read; see [Error.Hint].
	ErrEncoding = errors.New("key file cannot be read")
	// ErrNoKey: the file holds no private key.
	ErrNoKey = errors.New("no private key")
	// ErrSeveralKeys: the file holds more than one private key.
	ErrSeveralKeys = errors.New("several private keys")
	// ErrNoMatchingCertificate: no certificate belongs to the private key.
	ErrNoMatchingCertificate = errors.New("no certificate fits the private key")
	// ErrUnsupportedKey: a key type or curve outside RSA, P-256 and P-384.
	ErrUnsupportedKey = errors.New("unsupported key type")
	// ErrKeyTooShort: an RSA key below [MinRSABits].
	ErrKeyTooShort = errors.New("key too short")
	// ErrExpired: the certificate is no longer valid.
	ErrExpired = errors.New("certificate expired")
	// ErrNotYetValid: the certificate is not valid yet.
	ErrNotYetValid = errors.New("certificate not yet valid")
	// ErrKeyUsage: the certificate is not meant for signing documents.
	ErrKeyUsage = errors.New("certificate does not allow signing")
	// ErrNoCertificate: no certificate in the input of [ParseCertificates].
	ErrNoCertificate = errors.New("no certificate found")
	// ErrNoIdentity: signing was asked for without an identity.
	ErrNoIdentity = errors.New("no signing identity")
)

// Reasons why a signature is refused. Match with errors.Is.
var (
	// ErrText: neither base64 text nor DER.
	ErrText = errors.New("signature is not base64 text")
	// ErrMalformed: not a well-formed CMS SignedData.
	ErrMalformed = errors.New("malformed signature")
	// ErrNotDER: well-formed, but not in the form DER demands ([VerifyOptions.SentForm]).
	ErrNotDER = errors.New("signature is not DER encoded")
	// ErrTrailingData: something follows the signature.
	ErrTrailingData = errors.New("data after the signature")
	// ErrVersion: a version that goes with none of the accepted forms.
	ErrVersion = errors.New("unsupported signature version")
	// ErrNoSigner: nobody signed (a certificates-only structure).
	ErrNoSigner = errors.New("signature has no signer")
	// ErrSeveralSigners: more than one signer.
	ErrSeveralSigners = errors.New("signature has several signers")
	// ErrSignerID: the signer is not named by issuer and serial number.
	ErrSignerID = errors.New("signer not identified by issuer and serial number")
	// ErrNotDetached: the signature carries its own content.
	ErrNotDetached = errors.New("signature is not detached")
	// ErrContentType: the signed content is not of type "data".
	ErrContentType = errors.New("content type is not data")
	// ErrNoSignedAttributes: a needed signed attribute, or all of them, are missing.
	ErrNoSignedAttributes = errors.New("signed attributes missing")
	// ErrSignedAttributes: a signed attribute is repeated, multi-valued or malformed.
	ErrSignedAttributes = errors.New("signed attributes invalid")
	// ErrUnsignedAttributes: unsigned attributes where none are allowed.
	ErrUnsignedAttributes = errors.New("unsigned attributes not allowed")
	// ErrCRLs: revocation lists where none are allowed.
	ErrCRLs = errors.New("revocation lists not allowed")
	// ErrAlgorithm: SHA-1, or another algorithm that is not accepted.
	ErrAlgorithm = errors.New("algorithm not accepted")
	// ErrDigestMismatch: the content is not the one that was signed.
	ErrDigestMismatch = errors.New("content differs from what was signed")
	// ErrBadSignature: the signature value does not fit attributes and certificate.
	ErrBadSignature = errors.New("signature does not verify")
	// ErrNoSignerCertificate: the signer's certificate is not included.
	ErrNoSignerCertificate = errors.New("signer certificate missing")
	// ErrNotRegistered: signed with another certificate than the registered one.
	ErrNotRegistered = errors.New("signer is not the registered certificate")
	// ErrUntrusted: no chain leads from the signer to a configured root.
	ErrUntrusted = errors.New("signer not trusted")
	// ErrSigningTime: the claimed time lies in the future or outside the certificate's validity.
	ErrSigningTime = errors.New("signing time not plausible")
	// ErrNoTrust: the [VerifyOptions] name nothing to trust.
	ErrNoTrust = errors.New("no trusted roots configured")
)

// Error is a reason with its detail. The detail never holds a password or content,
// but it may quote names from a certificate, cleaned of control characters.
type Error struct {
	Reason error  // one of the Err… values
	Detail string // what exactly; may be empty
	Err    error  // the underlying error, if any

	hint string
}

// Error says "reason: detail", in lower case, on one line.
func (e *Error) Error() string {
	s := e.Reason.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap makes both the reason and the underlying error visible to errors.Is and As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Err}
}

// Hint gives shell commands (one per line) that bring the file into a readable
// form, or "". The commands ask for passwords; none is in them.
func (e *Error) Hint() string { return e.hint }

// ConvertHint gives the [Error.Hint] found in err's chain, or "".
func ConvertHint(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.hint
	}
	return ""
}

func fail(reason error, detail string) error {
	return &Error{Reason: reason, Detail: detail}
}

func failBy(reason, err error) error {
	return &Error{Reason: reason, Detail: printable(err.Error()), Err: err}
}
