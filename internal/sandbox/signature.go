package sandbox

import (
	"context"
	"crypto/x509"
	"errors"
	"io"

	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

// signReply signs a reply file and gives the text of its FS.
func (s *Server) signReply(path string) ([]byte, error) {
	id, err := sign.NewIdentity(s.identity.Key, s.identity.Certificate, []*x509.Certificate{s.identity.CA})
	if err != nil {
		return nil, err
	}
	f, err := s.root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	der, _, err := sign.Sign(context.Background(), f, id, sign.Options{SigningTime: s.clock()})
	if err != nil {
		return nil, err
	}
	return sign.EncodeText(der, sign.Text64CRLF), nil
}

// checkSignature verifies an FS over its FI and gives the error id with which
// the set is to be refused, or "".
func (s *Server) checkSignature(fi, fs member, env naming.Environment) (id string, err error) {
	options := sign.VerifyOptions{Registered: s.cfg.Certificate, SkipChain: true, Now: s.clock(), SentForm: true}
	text, err := s.readSmall(fs.path, sign.MaxSignatureSize)
	if err != nil {
		return "", err
	}
	f, err := s.root.Open(fi.path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	_, err = sign.Verify(f, text, options)
	var refusal *sign.Error
	switch {
	case errors.Is(err, sign.ErrNotRegistered), err == nil && s.cfg.Certificate == nil && env.RequiresSignature():
		return otherCertificate, nil
	case errors.As(err, &refusal):
		return badSignature, nil
	}
	return "", err
}

// readSmall reads at most limit bytes and one more, which makes the file too
// large for who looks at it.
func (s *Server) readSmall(path string, limit int64) ([]byte, error) {
	f, err := s.root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
