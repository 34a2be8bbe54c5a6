package sshkey

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/ssh"
)

// Source of the format: PuTTY manual, appendix C "PPK file format". Versions 2
// and 3; Argon2d, which only a deliberate choice in PuTTYgen gives, is not in
// x/crypto.

// Limits on the Argon2 work that a file may ask for; PuTTYgen's default is
// 8 MiB and about 100 ms.
const (
	maxArgonKiB    = 1 << 20 // 1 GiB
	maxArgonPasses = 1 << 16
	maxArgonWork   = 1 << 25 // KiB × passes
)

const ppkHint = "open it in PuTTYgen and save it again, or: puttygen KEYFILE -O private-openssh -o NEWFILE"

type ppkFile struct {
	version   int
	algorithm string
	encrypted bool
	comment   string
	public    []byte
	private   []byte
	kdf       string
	memory    uint32 // KiB
	passes    uint32
	lanes     uint8
	salt      []byte
	mac       []byte
}

func (f *ppkFile) format() string { return fmt.Sprintf("PuTTY %d", f.version) }

func ppkError(format string, args ...any) error {
	return &FormatError{Found: "a damaged or unsupported PuTTY key", Hint: ppkHint, Err: fmt.Errorf(format, args...)}
}

func parsePPK(data, passphrase []byte) (*Key, error) {
	f, err := readPPK(string(data))
	if err != nil {
		return nil, err
	}
	if !f.encrypted {
		passphrase = nil
	} else if passphrase == nil {
		return nil, ErrPassphraseNeeded
	}
	private, err := f.open(passphrase)
	if err != nil {
		return nil, err
	}
	raw, err := f.key(private)
	if err != nil {
		return nil, err
	}
	signer, err := newSigner(raw)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signer.PublicKey().Marshal(), f.public) {
		return nil, ppkError("public and private part do not belong together")
	}
	return &Key{AlgorithmSigner: signer, Format: f.format(), Comment: f.comment, raw: raw}, nil
}

// readPPK reads the headers, which have a fixed order.
func readPPK(text string) (*ppkFile, error) {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	var err error
	header := func(name string) string {
		if err != nil {
			return ""
		}
		if len(lines) == 0 {
			err = ppkError("header %s is missing", name)
			return ""
		}
		value, ok := strings.CutPrefix(lines[0], name+": ")
		if !ok && lines[0] != name+":" {
			err = ppkError("header %s is missing", name)
			return ""
		}
		lines = lines[1:]
		return value
	}
	number := func(name string, max int) int {
		v := header(name)
		if err != nil {
			return 0
		}
		n, e := strconv.Atoi(v)
		if e != nil || n < 0 || n > max {
			err = ppkError("header %s is out of range", name)
		}
		return n
	}
	blob := func(name string) []byte {
		n := number(name, len(lines))
		if err == nil && n > len(lines) {
			err = ppkError("%s is cut off", name)
		}
		if err != nil {
			return nil
		}
		b, e := base64.StdEncoding.DecodeString(strings.Join(lines[:n], ""))
		if e != nil {
			err = ppkError("%s: not base64", name)
		}
		lines = lines[n:]
		return b
	}

	f := &ppkFile{}
	switch {
	case strings.HasPrefix(text, "PuTTY-User-Key-File-2: "):
		f.version = 2
	case strings.HasPrefix(text, "PuTTY-User-Key-File-3: "):
		f.version = 3
	default:
		return nil, ppkError("version is neither 2 nor 3")
	}
	f.algorithm = header(fmt.Sprintf("PuTTY-User-Key-File-%d", f.version))
	switch enc := header("Encryption"); enc {
	case "aes256-cbc":
		f.encrypted = true
	case "none", "":
	default:
		return nil, ppkError("encryption %.20q", enc)
	}
	f.comment = header("Comment")
	f.public = blob("Public-Lines")
	if f.version == 3 && f.encrypted {
		f.kdf = header("Key-Derivation")
		f.memory = uint32(number("Argon2-Memory", maxArgonKiB))
		f.passes = uint32(number("Argon2-Passes", maxArgonPasses))
		f.lanes = uint8(number("Argon2-Parallelism", 255))
		salt := header("Argon2-Salt")
		if err == nil {
			if f.salt, err = hex.DecodeString(salt); err != nil {
				err = ppkError("Argon2-Salt is not hexadecimal")
			}
		}
		if err == nil && (f.passes < 1 || f.lanes < 1 || uint64(f.memory)*uint64(f.passes) > maxArgonWork) {
			err = ppkError("Argon2 parameters out of range")
		}
	}
	f.private = blob("Private-Lines")
	mac := header("Private-MAC")
	if err != nil {
		return nil, err
	}
	if f.mac, err = hex.DecodeString(strings.TrimSpace(mac)); err != nil {
		return nil, ppkError("Private-MAC is not hexadecimal")
	}
	return f, nil
}

// open decrypts the private part and verifies the MAC, which covers everything
// that the file says about the key.
func (f *ppkFile) open(passphrase []byte) ([]byte, error) {
	var newHash func() hash.Hash
	var macKey []byte
	private := f.private
	var key, iv []byte
	if f.version == 2 {
		newHash = sha1.New
		sum := sha1.Sum(append([]byte("putty-private-key-file-mac-key"), passphrase...))
		macKey = sum[:]
		if f.encrypted {
			a := sha1.Sum(append([]byte{0, 0, 0, 0}, passphrase...))
			b := sha1.Sum(append([]byte{0, 0, 0, 1}, passphrase...))
			key, iv = append(a[:], b[:]...)[:32], make([]byte, aes.BlockSize)
		}
	} else {
		newHash = sha256.New
		if f.encrypted {
			var out []byte
			switch f.kdf {
			case "Argon2id":
				out = argon2.IDKey(passphrase, f.salt, f.passes, f.memory, f.lanes, 80)
			case "Argon2i":
				out = argon2.Key(passphrase, f.salt, f.passes, f.memory, f.lanes, 80)
			default:
				return nil, ppkError("key derivation %.20q", f.kdf)
			}
			key, iv, macKey = out[:32], out[32:48], out[48:]
		}
	}
	if f.encrypted {
		if len(private)%aes.BlockSize != 0 {
			return nil, ppkError("private part is cut off")
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		private = make([]byte, len(f.private))
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(private, f.private)
	}
	enc := "none"
	if f.encrypted {
		enc = "aes256-cbc"
	}
	mac := hmac.New(newHash, macKey)
	for _, part := range [][]byte{[]byte(f.algorithm), []byte(enc), []byte(f.comment), f.public, private} {
		n := len(part)
		mac.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		mac.Write(part)
	}
	if subtle.ConstantTimeCompare(mac.Sum(nil), f.mac) != 1 {
		if f.encrypted {
			return nil, ErrWrongPassphrase
		}
		return nil, ppkError("the MAC is wrong: the file was changed")
	}
	return private, nil
}

// key puts the public and the private part together.
func (f *ppkFile) key(private []byte) (any, error) {
	pub, err := ssh.ParsePublicKey(f.public)
	if err != nil || pub.Type() != f.algorithm {
		return nil, ppkError("key type %.40q", f.algorithm)
	}
	cp, ok := pub.(ssh.CryptoPublicKey)
	if !ok {
		return nil, ppkError("key type %.40q", f.algorithm)
	}
	switch pk := cp.CryptoPublicKey().(type) {
	case *rsa.PublicKey:
		d, rest, e1 := mpint(private)
		p, rest, e2 := mpint(rest)
		q, _, e3 := mpint(rest)
		if err := errors.Join(e1, e2, e3); err != nil {
			return nil, ppkError("private part is damaged")
		}
		key := &rsa.PrivateKey{PublicKey: *pk, D: d, Primes: []*big.Int{p, q}}
		// Before Precompute, which must not see zero or tiny primes.
		if pk.N.BitLen() > 16384 || d.Sign() <= 0 || p.Cmp(big.NewInt(3)) < 0 || q.Cmp(big.NewInt(3)) < 0 ||
			new(big.Int).Mul(p, q).Cmp(pk.N) != 0 {
			return nil, ppkError("private part is damaged")
		}
		if err := key.Validate(); err != nil {
			return nil, ppkError("private part is damaged")
		}
		key.Precompute()
		return key, nil
	case *ecdsa.PublicKey:
		d, _, err := mpint(private)
		if err != nil || d.Sign() <= 0 {
			return nil, ppkError("private part is damaged")
		}
		curve, size := ecdhCurve(pk.Curve)
		if curve == nil || d.BitLen() > size*8 {
			return nil, ppkError("private part is damaged")
		}
		scalar := d.FillBytes(make([]byte, size))
		if _, err := curve.NewPrivateKey(scalar); err != nil {
			return nil, ppkError("private part is damaged")
		}
		key, err := ecdsa.ParseRawPrivateKey(pk.Curve, scalar)
		if err != nil {
			return nil, ppkError("private part is damaged")
		}
		return key, nil
	case ed25519.PublicKey:
		// An mpint by the manual, a string of 32 bytes in fact.
		s, _, err := sshString(private)
		if err != nil || len(s) > ed25519.SeedSize+1 {
			return nil, ppkError("private part is damaged")
		}
		seed := make([]byte, ed25519.SeedSize)
		s = s[max(0, len(s)-ed25519.SeedSize):]
		copy(seed[ed25519.SeedSize-len(s):], s)
		return ed25519.NewKeyFromSeed(seed), nil
	}
	return nil, ppkError("key type %.40q", f.algorithm)
}

func ecdhCurve(c elliptic.Curve) (ecdh.Curve, int) {
	switch c {
	case elliptic.P256():
		return ecdh.P256(), 32
	case elliptic.P384():
		return ecdh.P384(), 48
	case elliptic.P521():
		return ecdh.P521(), 66
	}
	return nil, 0
}

var errShort = errors.New("cut off")

func sshString(b []byte) (s, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errShort
	}
	n := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	if n > uint64(len(b)-4) {
		return nil, nil, errShort
	}
	return b[4 : 4+n], b[4+n:], nil
}

func mpint(b []byte) (*big.Int, []byte, error) {
	s, rest, err := sshString(b)
	if err != nil {
		return nil, nil, err
	}
	if len(s) > 0 && s[0]&0x80 != 0 {
		return nil, nil, errors.New("negative number")
	}
	return new(big.Int).SetBytes(s), rest, nil
}
