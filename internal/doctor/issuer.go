package doctor

import (
	"bytes"
	"crypto/x509"
	"os"
	"regexp"
	"strings"

	"github.com/socbatch/socbatch/sign"
)

// accepted are the names of issuers whose certificates for signing the social
// security is known to take: the Belgian eID, and GlobalSign PersonalSign 3 Pro.
var accepted = []string{"Citizen CA*", "Foreigner CA*", "GlobalSign*PersonalSign*", "GlobalSign*SMIME CA*"}

// fits reports whether a name fits a pattern in which * stands for any text.
func fits(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?is)^` + strings.Join(parts, ".*") + `$`).MatchString(name)
}

func (r *run) issuer(cert *x509.Certificate, info sign.CertificateInfo) []Result {
	for _, p := range append(accepted[:len(accepted):len(accepted)], r.config.Identity.Issuers...) {
		if fits(p, info.Issuer) {
			return nil
		}
	}
	if bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return one(found(CertificateSelfSigned, "the certificate of %s is signed by nobody but itself, which the social security does not accept", info.Owner).
			fix("take a qualified certificate: that of a Belgian eID, or GlobalSign PersonalSign 3 Pro"))
	}
	return one(found(CertificateIssuer, "the certificate of %s is issued by %s, which is not among those that are known to be accepted", info.Owner, info.Issuer).
		fix("ask the office whether it accepts this issuer; if it does, add the name to issuers = [\"…\"] under [identity]"))
}

// registered compares the certificate with the one that the portal was given.
func (r *run) registered(cert *x509.Certificate) []Result {
	file := r.config.Identity.Registered
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	var certs []*x509.Certificate
	if err == nil {
		certs, err = sign.ParseCertificates(data)
	}
	if err != nil {
		return one(found(RegisteredMissing, "the certificate that was registered, %s, cannot be read: %s", file, err).
			fix("name the .cer that the portal was given with registered = \"…\" under [identity]"))
	}
	if !certs[0].Equal(cert) {
		return one(found(RegisteredDiffers, "%s holds another certificate than the one that was registered, %s", r.config.Identity.P12, file).
			fix("register the .cer of the certificate that signs, or configure the .p12 that belongs to the registered one"))
	}
	return nil
}
