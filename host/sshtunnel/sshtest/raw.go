package sshtest

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// Raw is the server's end of an SSH connection, packet by packet: it can say what no decent server says. It has one
// suite of algorithms (curve25519-sha256, ssh-ed25519, aes128-gcm@openssh.com) and lets everybody in.
//
// One goroutine may Receive while others Send.
type Raw struct {
	net.Conn
	in      *bufio.Reader
	key     ed25519.PrivateKey
	client  []byte // its version line
	session []byte // identifies the session: the hash of the first key exchange

	turn    chan struct{} // holds a token from our KEXINIT to our NEWKEYS: nothing else may be sent then
	over    chan struct{} // closed by Close
	close   func()
	ours    atomic.Pointer[[]byte] // our KEXINIT, while the client's is awaited
	writing sync.Mutex
	out     *sealing // nil before the keys
	opened  *sealing
}

// The messages of SSH that are named here (RFC 4250).
const (
	MsgDisconnect     = 1
	MsgIgnore         = 2
	MsgDebug          = 4
	MsgUserauthBanner = 53
	MsgGlobalRequest  = 80
	MsgRequestSuccess = 81
	MsgRequestFailure = 82
	MsgOpen           = 90
	MsgOpenConfirm    = 91
	MsgOpenFailure    = 92
	MsgWindowAdjust   = 93
	MsgData           = 94
	MsgExtendedData   = 95
	MsgEOF            = 96
	MsgClose          = 97
	MsgChannelRequest = 98
	MsgChannelSuccess = 99
	MsgPing           = 192

	msgServiceRequest = 5
	msgServiceAccept  = 6
	msgKexInit        = 20
	msgNewKeys        = 21
	msgKexECDHInit    = 30
	msgKexECDHReply   = 31
	msgAuthRequest    = 50
	msgAuthFailure    = 51
	msgAuthSuccess    = 52
)

const rawVersion = "SSH-2.0-CulvertHostile"

// NewRaw takes a connection over before anything was said on it.
func NewRaw(c net.Conn) *Raw {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // rand.Reader does not fail
	}
	r := &Raw{Conn: c, in: bufio.NewReader(c), key: key, turn: make(chan struct{}, 1), over: make(chan struct{})}
	r.close = sync.OnceFunc(func() { close(r.over) })
	return r
}

// Close ends the connection and whoever waits to send.
func (r *Raw) Close() error {
	r.close()
	return r.Conn.Close()
}

// begin waits for the end of a key exchange under way.
func (r *Raw) begin() error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-r.over:
		return net.ErrClosed
	}
}

// Versions exchanges version lines; ours is rawVersion.
func (r *Raw) Versions() error {
	if _, err := io.WriteString(r.Conn, rawVersion+"\r\n"); err != nil {
		return err
	}
	line, err := r.in.ReadBytes('\n')
	r.client = bytes.TrimRight(line, "\r\n")
	return err
}

// Login does all that comes before the channels: version lines, key exchange, login.
func (r *Raw) Login() error {
	if err := errors.Join(r.Versions(), r.Rekey()); err != nil {
		return err
	}
	for {
		p, err := r.Receive()
		if err != nil {
			return err
		}
		switch p[0] {
		case msgServiceRequest:
			err = r.Send(append([]byte{msgServiceAccept}, p[1:]...))
		case msgAuthRequest:
			if !bytes.Contains(p, text("none")) {
				return r.Send([]byte{msgAuthSuccess})
			}
			err = r.Send(Packet(msgAuthFailure, "password", false))
		}
		if err != nil {
			return err
		}
	}
}

// Packet puts a message together of byte, bool, uint32 and string.
func Packet(kind byte, fields ...any) []byte {
	p := []byte{kind}
	for _, f := range fields {
		switch f := f.(type) {
		case bool:
			b := byte(0)
			if f {
				b = 1
			}
			p = append(p, b)
		case uint32:
			p = binary.BigEndian.AppendUint32(p, f)
		case string:
			p = append(p, text(f)...)
		default:
			panic(fmt.Sprintf("no field of a packet: %T", f))
		}
	}
	return p
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...) }

// Send sends one packet, after a key exchange under way.
func (r *Raw) Send(payload []byte) error {
	if err := r.begin(); err != nil {
		return err
	}
	defer func() { <-r.turn }()
	return r.send(payload)
}

func (r *Raw) send(payload []byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	block := 8
	head := 5 // of what the padding fills up to whole blocks
	if r.out != nil {
		block, head = 16, 1
	}
	padding := block - (head+len(payload))%block
	if padding < 4 {
		padding += block
	}
	p := make([]byte, 4, 5+len(payload)+padding+16)
	p = append(append(append(p, byte(padding)), payload...), make([]byte, padding)...)
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	if r.out != nil {
		p = r.out.seal(p)
	}
	_, err := r.Conn.Write(p)
	return err
}

// Receive returns the client's next packet; key exchanges it does on the way.
func (r *Raw) Receive() ([]byte, error) {
	for {
		p, err := r.receive()
		if err != nil {
			return nil, err
		}
		if p[0] != msgKexInit {
			return p, nil
		}
		if err := r.exchange(p); err != nil {
			return nil, err
		}
	}
}

func (r *Raw) receive() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r.in, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head))
	if r.opened != nil {
		n += 16
	}
	if n < 12 || n > 1<<20 {
		return nil, errors.New("a packet of an impossible length")
	}
	p := make([]byte, n)
	if _, err := io.ReadFull(r.in, p); err != nil {
		return nil, err
	}
	if r.opened != nil {
		var err error
		if p, err = r.opened.open(head, p); err != nil {
			return nil, err
		}
	}
	if padding := int(p[0]); padding+1 < len(p) {
		return p[1 : len(p)-padding], nil
	}
	return nil, errors.New("a packet without a message")
}

// sealing is one direction of aes128-gcm@openssh.com.
type sealing struct {
	aead  cipher.AEAD
	nonce []byte
}

func (s *sealing) next() {
	n := s.nonce[4:]
	binary.BigEndian.PutUint64(n, binary.BigEndian.Uint64(n)+1)
}

func (s *sealing) seal(p []byte) []byte {
	defer s.next()
	return s.aead.Seal(p[:4], s.nonce, p[4:], bytes.Clone(p[:4]))
}

func (s *sealing) open(head, p []byte) ([]byte, error) {
	defer s.next()
	return s.aead.Open(p[:0], s.nonce, p, head)
}

// Rekey begins a key exchange. Receive finishes it: packets sent meanwhile wait for that.
func (r *Raw) Rekey() error {
	if err := r.begin(); err != nil {
		return err
	}
	return r.offer()
}

// offer sends our KEXINIT.
func (r *Raw) offer() error {
	cookie := make([]byte, 16)
	rand.Read(cookie)
	p := append([]byte{msgKexInit}, cookie...)
	for _, names := range []string{
		ssh.KeyExchangeCurve25519, ssh.KeyAlgoED25519, ssh.CipherAES128GCM, ssh.CipherAES128GCM,
		ssh.HMACSHA256, ssh.HMACSHA256, "none", "none", "", "",
	} {
		p = append(p, text(names)...)
	}
	p = append(p, 0, 0, 0, 0, 0)
	r.ours.Store(&p)
	return r.send(p)
}

// exchange answers the client's KEXINIT.
func (r *Raw) exchange(theirs []byte) error {
	if r.ours.Load() == nil { // the client began
		if err := r.Rekey(); err != nil {
			return err
		}
	}
	p, err := r.receive()
	if err != nil || p[0] != msgKexECDHInit {
		return errors.Join(errors.New("no public key"), err)
	}
	reply, k, h, err := r.agree(theirs, p[5:])
	if err != nil {
		return err
	}
	if r.session == nil {
		r.session = h
	}
	if err := errors.Join(r.send(reply), r.send([]byte{msgNewKeys})); err != nil {
		return err
	}
	r.writing.Lock()
	r.out = r.derive(k, h, 'B', 'D')
	r.writing.Unlock()
	r.ours.Store(nil)
	<-r.turn
	if p, err = r.receive(); err != nil || p[0] != msgNewKeys {
		return errors.Join(errors.New("no new keys"), err)
	}
	r.opened = r.derive(k, h, 'A', 'C')
	return nil
}

// agree computes the shared secret with the client's public key, as an mpint, and the exchange's hash, and signs it.
func (r *Raw) agree(theirs, public []byte) (reply, k, h []byte, err error) {
	mine, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	other, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, nil, nil, err
	}
	secret, err := mine.ECDH(other)
	if err != nil {
		return nil, nil, nil, err
	}
	secret = bytes.TrimLeft(secret, "\x00")
	if secret[0]&0x80 != 0 {
		secret = append([]byte{0}, secret...)
	}
	k = text(string(secret))
	host := append(text(ssh.KeyAlgoED25519), text(string(r.key.Public().(ed25519.PublicKey)))...)
	hash := sha256.New()
	for _, b := range [][]byte{r.client, []byte(rawVersion), theirs, *r.ours.Load(), host, public, mine.PublicKey().Bytes()} {
		hash.Write(text(string(b)))
	}
	hash.Write(k)
	h = hash.Sum(nil)
	signature := append(text(ssh.KeyAlgoED25519), text(string(ed25519.Sign(r.key, h)))...)
	return Packet(msgKexECDHReply, string(host), string(mine.PublicKey().Bytes()), string(signature)), k, h, nil
}

// derive makes the keys of one direction (RFC 4253, 7.2).
func (r *Raw) derive(k, h []byte, iv, key byte) *sealing {
	get := func(letter byte, n int) []byte {
		sum := sha256.Sum256(bytes.Join([][]byte{k, h, {letter}, r.session}, nil))
		return bytes.Clone(sum[:n])
	}
	block, err := aes.NewCipher(get(key, 16))
	if err != nil {
		panic(err) // of a key of 16 bytes there is none
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &sealing{aead: aead, nonce: get(iv, 12)}
}
