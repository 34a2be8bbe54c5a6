package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/socbatch/socbatch/internal/sandbox"
	"github.com/socbatch/socbatch/naming"
	"github.com/socbatch/socbatch/sign"
)

const (
	senderNumber    = "000123"
	declarationSize = 4 << 10 // bytes of one declaration
	p12Password     = "bench"
)

// declaration gives the i-th declaration: a valid message of declarationSize
// bytes with CR LF, invented from end to end.
func declaration(i int) []byte {
	text := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Dimona xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="Dimona_20231.xsd">
  <Form>
    <Identification>DIMONA</Identification>
    <FormCreationDate>2026-01-05</FormCreationDate>
    <FormCreationHour>09:30:00.000</FormCreationHour>
    <AttestationStatus>0</AttestationStatus>
    <TypeForm>SU</TypeForm>
    <Reference>
      <ReferenceType>1</ReferenceType>
      <ReferenceOrigin>1</ReferenceOrigin>
      <ReferenceNbr>BENCH-%08d</ReferenceNbr>
    </Reference>
    <DimonaIn>
      <StartingDate>2026-01-12</StartingDate>
      <EmployerId>
        <NOSSRegistrationNbr>199999934</NOSSRegistrationNbr>
        <CompanyID>0000000097</CompanyID>
      </EmployerId>
      <NaturalPerson>
        <INSS>90999900197</INSS>
      </NaturalPerson>
      <DimonaFeatures>
        <JointCommissionNbr>XXX</JointCommissionNbr>
        <WorkerType>OTH</WorkerType>
      </DimonaFeatures>
    </DimonaIn>
  </Form>
</Dimona>
`, i)
	text = strings.ReplaceAll(text, "\n", "\r\n")
	const open, shut = "<!-- ", " -->\r\n"
	line := strings.Repeat("x", 70) + "\r\n"
	pad := declarationSize - len(text) - len(open) - len(shut)
	return []byte(text + open + strings.Repeat(line, pad/len(line)+1)[:pad] + shut)
}

// receipt gives the i-th positive receipt, for a file of that name.
func receipt(i int, fileName string) []byte {
	return []byte(fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<ACRF xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="ACRF_20231.xsd">
  <Form>
    <Identification>ACRF001</Identification>
    <FormCreationDate>2026-01-05</FormCreationDate>
    <FormCreationHour>09:31:00.000</FormCreationHour>
    <AttestationStatus>0</AttestationStatus>
    <TypeForm>PA</TypeForm>
    <FileReference>
      <FileName>%s</FileName>
      <ReferenceOrigin>2</ReferenceOrigin>
      <ReferenceNbr>BE%011d</ReferenceNbr>
    </FileReference>
    <ReceptionResult>
      <ResultCode>1</ResultCode>
    </ReceptionResult>
  </Form>
</ACRF>
`, fileName, i))
}

// signers are the two sides' signing identities, also as files.
type signers struct {
	own, office *sign.Identity
	p12         string // the sender's, for socbatch
	cert, key   string // the same in PEM, for openssl
	officeRoots string // PEM
}

func newSigners(dir string) (*signers, error) {
	s := &signers{
		p12: filepath.Join(dir, "signer.p12"), cert: filepath.Join(dir, "signer.pem"), key: filepath.Join(dir, "signer.key"),
		officeRoots: filepath.Join(dir, "office.pem"),
	}
	own, err := sandbox.NewTestIdentity("Bench Sender")
	if err != nil {
		return nil, err
	}
	officeKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	office, err := sandbox.NewTestIdentity("Bench Office", sandbox.WithKey(officeKey))
	if err != nil {
		return nil, err
	}
	if s.own, err = sign.NewIdentity(own.Key, own.Certificate, nil); err != nil {
		return nil, err
	}
	if s.office, err = sign.NewIdentity(office.Key, office.Certificate, nil); err != nil {
		return nil, err
	}
	p12, err := own.P12(p12Password)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(own.Key)
	if err != nil {
		return nil, err
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	return s, errors.Join(
		os.WriteFile(s.p12, p12, 0o600),
		os.WriteFile(s.p12+".password", []byte(p12Password+"\n"), 0o600),
		os.WriteFile(s.cert, block("CERTIFICATE", own.Certificate.Raw), 0o600),
		os.WriteFile(s.key, block("PRIVATE KEY", key), 0o600),
		os.WriteFile(s.officeRoots, block("CERTIFICATE", office.CA.Raw), 0o600),
	)
}

// signature gives the text of an FS.
func signature(ctx context.Context, id *sign.Identity, content []byte) ([]byte, error) {
	der, _, err := sign.Sign(ctx, bytes.NewReader(content), id, sign.Options{})
	return sign.EncodeText(der, sign.Text64CRLF), err
}

// today is the day in all names, also when midnight passes.
var today = naming.DateOf(time.Now())

// set is the name of the i-th declaration's set.
func set(i int) naming.Set {
	return naming.Set{
		Application: "DIMN", Sender: senderNumber, Date: today,
		Sequence: naming.Sequence(fmt.Sprintf("%05d", i)), Environment: naming.Production, Parts: 1,
	}
}

// replyName is the name of a file of the i-th reply set.
func replyName(kind naming.Kind, i int) string {
	return fmt.Sprintf("%v.ACRF.%s.%s.%05d.R", kind, naming.OfficeSender, today, i)
}

// writeSources writes n declarations as a payroll program would, and returns
// their paths.
func writeSources(dir string, n int) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files := make([]string, 0, n)
	for i := 1; i <= n; i++ {
		name := filepath.Join(dir, fmt.Sprintf("d%05d.xml", i))
		if err := os.WriteFile(name, declaration(i), 0o600); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	return files, nil
}

// writeSets writes n complete sets, FI, FS and GO, for the peers to send.
func writeSets(ctx context.Context, dir string, n int, id *sign.Identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		fi := declaration(i)
		fs, err := signature(ctx, id, fi)
		if err != nil {
			return err
		}
		s := set(i)
		if err := errors.Join(
			os.WriteFile(filepath.Join(dir, s.FI(1).String()), fi, 0o600),
			os.WriteFile(filepath.Join(dir, s.FS(1).String()), fs, 0o600),
			os.WriteFile(filepath.Join(dir, s.GO().String()), nil, 0o600),
		); err != nil {
			return err
		}
	}
	return nil
}

// writeReplies writes n reply sets that answer the declarations 1 to n.
func writeReplies(ctx context.Context, dir string, n int, id *sign.Identity) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		fo := receipt(i, set(i).GO().String())
		fs, err := signature(ctx, id, fo)
		if err != nil {
			return err
		}
		if err := errors.Join(
			os.WriteFile(filepath.Join(dir, replyName(naming.FO, i)), fo, 0o600),
			os.WriteFile(filepath.Join(dir, replyName(naming.FS, i)), fs, 0o600),
			os.WriteFile(filepath.Join(dir, replyName(naming.GO, i)), nil, 0o600),
		); err != nil {
			return err
		}
	}
	return nil
}

// writeLarge writes a file of random bytes.
func writeLarge(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for left := size; left > 0; left -= int64(len(block)) {
		_, _ = rand.Read(block)
		if _, err := f.Write(block[:min(left, int64(len(block)))]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// contents gives the hash of every file in a directory, by name.
func contents(dir string) (map[string][32]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make(map[string][32]byte, len(entries))
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		out[e.Name()] = sha256.Sum256(data)
	}
	return out, nil
}
