package hostile

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"

	"golang.org/x/crypto/ssh"
)

// SSH messages (RFC 4250) that tests send or wait for.
const (
	MsgDisconnect     = 1
	MsgIgnore         = 2
	MsgServiceRequest = 5
	MsgServiceAccept  = 6
	MsgKexInit        = 20
	MsgNewKeys        = 21
	MsgKexReply       = 31
	MsgAuthRequest    = 50
	MsgAuthFailure    = 51
	MsgAuthSuccess    = 52
	MsgAuthBanner     = 53
	MsgAuth60         = 60 // a password change, or a key that is accepted, or questions
	MsgGlobalRequest  = 80
	MsgRequestFailure = 82
	MsgChannelOpen    = 90
	MsgChannelOpened  = 91
	MsgChannelData    = 94
	MsgChannelRequest = 98
	MsgChannelSuccess = 99
)

// Bare is the server's side of an SSH connection behind the key exchange. It
// sends whatever it is given, which x/crypto does not.
type Bare struct {
	c        net.Conn
	r        *bufio.Reader
	in, out  cipher.AEAD
	inIV     []byte
	outIV    []byte
	peer     uint32    // number of the channel at the client
	exchange [4][]byte // versions and KEXINITs that are signed
}

const serverVersion = "SSH-2.0-bare"

// NewBare exchanges versions and keys.
func NewBare(c net.Conn, key ssh.Signer) (*Bare, error) {
	b := &Bare{c: c, r: bufio.NewReader(c)}
	if _, err := io.WriteString(c, serverVersion+"\r\n"); err != nil {
		return nil, err
	}
	version, err := b.r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	for len(version) > 0 && version[len(version)-1] < ' ' {
		version = version[:len(version)-1]
	}
	init := Fields(byte(MsgKexInit), make([]byte, 16), "curve25519-sha256", key.PublicKey().Type(),
		"aes128-gcm@openssh.com", "aes128-gcm@openssh.com", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "", byte(0), 0)
	if err := b.Send(init); err != nil {
		return nil, err
	}
	theirs, err := b.Receive()
	if err != nil {
		return nil, err
	}
	b.exchange = [4][]byte{version, []byte(serverVersion), theirs, init}
	return b, b.exchangeKeys(key)
}

func (b *Bare) exchangeKeys(key ssh.Signer) error {
	packet, err := b.Receive()
	if err != nil {
		return err
	}
	t := take{packet[1:]}
	peer := []byte(t.string())
	pub, err := ecdh.X25519().NewPublicKey(peer)
	if err != nil {
		return err
	}
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	secret, err := own.ECDH(pub)
	if err != nil {
		return err
	}
	k := ssh.Marshal(struct{ K *big.Int }{new(big.Int).SetBytes(secret)})
	host := key.PublicKey().Marshal()
	var signed []byte
	for _, part := range append(b.exchange[:], host, peer, own.PublicKey().Bytes()) {
		signed = append(signed, Fields(string(part))...)
	}
	h := sha256.Sum256(append(signed, k...))
	signature, err := key.Sign(rand.Reader, h[:])
	if err != nil {
		return err
	}
	err = b.Send(Fields(byte(MsgKexReply), string(host), string(own.PublicKey().Bytes()), string(ssh.Marshal(signature))))
	if err != nil {
		return err
	}
	if err := b.Send([]byte{MsgNewKeys}); err != nil {
		return err
	}
	if packet, err := b.Receive(); err != nil || packet[0] != MsgNewKeys {
		return errors.Join(err, errors.New("no NEWKEYS"))
	}
	derive := func(letter byte, n int) []byte {
		sum := sha256.Sum256(Fields(k, h[:], letter, h[:]))
		return sum[:n]
	}
	aead := func(letter byte) cipher.AEAD {
		block, err := aes.NewCipher(derive(letter, 16))
		if err != nil {
			panic(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		return gcm
	}
	b.inIV, b.outIV, b.in, b.out = derive('A', 12), derive('B', 12), aead('C'), aead('D')
	return nil
}

func next(iv []byte) {
	binary.BigEndian.PutUint64(iv[4:], binary.BigEndian.Uint64(iv[4:])+1)
}

// Send sends a message.
func (b *Bare) Send(payload []byte) error {
	const block = 16
	head := 1 // what is padded: with a cipher the length is not
	if b.out == nil {
		head += 4
	}
	pad := block - (head+len(payload))%block
	if pad < 4 {
		pad += block
	}
	packet := Fields(len(payload)+1+pad, byte(pad), payload, make([]byte, pad))
	if b.out != nil {
		packet = append(packet[:4:4], b.out.Seal(nil, b.outIV, packet[4:], packet[:4])...)
		next(b.outIV)
	}
	_, err := b.c.Write(packet)
	return err
}

// Receive receives a message.
func (b *Bare) Receive() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if b.in != nil {
		n += b.in.Overhead()
	}
	packet := make([]byte, n)
	if _, err := io.ReadFull(b.r, packet); err != nil {
		return nil, err
	}
	if b.in != nil {
		var err error
		if packet, err = b.in.Open(nil, b.inIV, packet, head[:]); err != nil {
			return nil, err
		}
		next(b.inIV)
	}
	return packet[1 : len(packet)-int(packet[0])], nil
}

// Await receives messages until one of the type comes.
func (b *Bare) Await(typ byte) ([]byte, error) {
	for {
		p, err := b.Receive()
		if err != nil || p[0] == typ {
			return p, err
		}
	}
}

// StartLogin lets the client ask to log in.
func (b *Bare) StartLogin() error {
	if _, err := b.Await(MsgServiceRequest); err != nil {
		return err
	}
	if err := b.Send(Fields(byte(MsgServiceAccept), "ssh-userauth")); err != nil {
		return err
	}
	_, err := b.Await(MsgAuthRequest)
	return err
}

// SFTP logs the client in and grants it a channel with a window of so many
// bytes.
func (b *Bare) SFTP(window int) error {
	if err := b.StartLogin(); err != nil {
		return err
	}
	if err := b.Send([]byte{MsgAuthSuccess}); err != nil {
		return err
	}
	p, err := b.Await(MsgChannelOpen)
	if err != nil {
		return err
	}
	t := take{p[1:]}
	_ = t.string()
	b.peer = t.uint32()
	if err := b.Send(Fields(byte(MsgChannelOpened), b.peer, 0, window, 32<<10)); err != nil {
		return err
	}
	if _, err := b.Await(MsgChannelRequest); err != nil {
		return err
	}
	return b.Send(Fields(byte(MsgChannelSuccess), b.peer))
}

// Data sends data on the channel that SFTP granted.
func (b *Bare) Data(data []byte) error {
	return b.Send(Fields(byte(MsgChannelData), b.peer, string(data)))
}

// Alive answers signs of life, and nothing else, until the connection ends.
func (b *Bare) Alive() error {
	for {
		if _, err := b.Await(MsgGlobalRequest); err != nil {
			return err
		}
		if err := b.Send([]byte{MsgRequestFailure}); err != nil {
			return err
		}
	}
}
