// Package sign makes and checks the signature files (FS) of the Belgian
// social-security batch channel: PKCS#7/CMS SignedData (RFC 5652), detached, as
// base64 text without header lines.
//
// An [Identity] is a private key and its certificate, from a .p12 file
// ([ReadPKCS12], [LoadPKCS12]) or from anything that offers a [crypto.Signer]
// ([NewIdentity]). [Sign] signs a stream of any size in constant memory;
// [Digest] does the same for a caller that reads the file anyway. [EncodeText]
// and [DecodeText] are the text form. [Verify] checks a signature more strictly
// than general-purpose libraries do.
//
// The digest is over the exact bytes of the declaration: nothing is
// canonicalised. Since some verifiers turn bare line feeds into CRLF before they
// digest, every signature comes with a [Report] that counts them, so that the
// caller can warn.
//
// The package knows no file names and no servers; it never prints or logs. Every
// failure is an [*Error] that matches one of the Err… values with [errors.Is], or
// the error of the caller's own reader, context or signer.
package sign
