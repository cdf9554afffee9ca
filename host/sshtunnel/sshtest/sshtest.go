// Package sshtest is a real SSH server in the calling process, for tests and for the demo's site: it logs people in, opens
// connections to targets and listens on ports like sshd, and on request misbehaves in the ways that servers and their
// networks do. It does not import testing.
package sshtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Options say how the server is. The zero Options is an honest server on a free port of 127.0.0.1 that lets nobody in.
type Options struct {
	Addr string // where to listen; "" is a free port of 127.0.0.1

	Password            string   // taken by the method password, "" takes none
	KeyboardInteractive string   // taken as the answer to one hidden question, "" takes none
	Questions           []string // asked in place of "Password: "; more than one needs a person
	AuthorizedKeys      []string // lines as in authorized_keys

	HostKey      ssh.Signer   // nil makes an Ed25519 key
	MoreHostKeys []ssh.Signer // of other types

	// Gateway says what the server binds when asked for all addresses or for loopback, like sshd's GatewayPorts:
	// "no" (or ""), "yes", "clientspecified".
	Gateway string

	Version string // what it calls itself, "" is SSH-2.0-CulvertTest

	NoForwarding bool // refuses every forward and every connection to a target
	NoTargets    bool // refuses connections to targets, so that a forward cannot be proved

	// OnLogin is called before a password, an answer or a key is judged, OnQuestion before the question is asked. They may
	// take their time or cut the connection.
	OnLogin    func(*Server)
	OnQuestion func(*Server)

	// OnTarget is called when a target has taken a connection, before the client hears so.
	OnTarget func()

	// OnRefusal is called when a forward is refused, before the client hears so.
	OnRefusal func()

	// Lies and silences.
	NeverListen bool            // says yes to a forward and does not listen
	JoinTo      string          // says yes to a forward and joins its port to this service instead of the client
	LoseTargets bool            // says yes to every connection to a target and connects nowhere
	SlowForward time.Duration   // before a connection to a forwarded port is handed to the client
	SlowTargets time.Duration   // before what the client says on a connection to a target gets there
	Mute        bool            // answers nothing after the login
	KeepaliveOK bool            // with Mute: answers keepalives all the same
	Unasked     []string        // types of channels opened to each client after the login
	Hold        <-chan struct{} // global requests other than keepalives are answered only once this is closed
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	options  Options
	listener net.Listener
	hostKey  atomic.Pointer[ssh.Signer]
	work     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	conns   map[net.Conn]bool
	clients map[*client]bool
	logins  []string // methods tried, in their order, "none" left out
	cancels int      // forwards that clients have handed back
	refused int      // unasked channels that clients refused
}

// Start starts a server; Close ends it.
func Start(o Options) (*Server, error) {
	if o.HostKey == nil {
		var err error
		if o.HostKey, err = NewHostKey(); err != nil {
			return nil, err
		}
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("start the SSH server: %w", err)
	}
	s := &Server{options: o, listener: l, conns: map[net.Conn]bool{}, clients: map[*client]bool{}}
	s.hostKey.Store(&o.HostKey)
	s.work.Go(s.accept)
	return s, nil
}

// NewHostKey makes an Ed25519 host key.
func NewHostKey() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// Addr is where the server listens, HOST:PORT.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Port is the port the server listens on.
func (s *Server) Port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Fingerprint is the present host key's, "SHA256:...".
func (s *Server) Fingerprint() string { return ssh.FingerprintSHA256((*s.hostKey.Load()).PublicKey()) }

// FingerprintMD5 is the present host key's in the old form, "aa:bb:...".
func (s *Server) FingerprintMD5() string {
	return ssh.FingerprintLegacyMD5((*s.hostKey.Load()).PublicKey())
}

// SetHostKey changes the host key for connections from now on.
func (s *Server) SetHostKey(k ssh.Signer) { s.hostKey.Store(&k) }

// Logins are the methods of all login attempts so far, "none" left out.
func (s *Server) Logins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.logins...)
}

// Refused is how many unasked channels clients have refused.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Cancels is how many forwards clients have handed back.
func (s *Server) Cancels() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cancels
}

// Offer opens a channel of that kind to every client, as if somebody had connected to host and port at the server, and
// returns how many clients took it.
func (s *Server) Offer(kind, host string, port int) int {
	s.mu.Lock()
	var all []*client
	for c := range s.clients {
		all = append(all, c)
	}
	s.mu.Unlock()
	taken := 0
	for _, c := range all {
		if c.offer(kind, bind{host, uint32(port)}) {
			taken++
		}
	}
	return taken
}

// Clients is how many clients are logged in.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Listening are the ports that clients have the server listen on, as HOST:PORT.
func (s *Server) Listening() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for c := range s.clients {
		all = append(all, c.listening()...)
	}
	return all
}

// Cut ends all connections at once, as a broken network or a killed sshd does; the server goes on.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Close ends the server and all its connections and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.listener.Close()
	s.Cut()
	s.work.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if !s.track(c) {
			_ = c.Close()
			return
		}
		s.work.Go(func() {
			defer s.forget(c)
			s.serve(c)
		})
	}
}

func (s *Server) track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.conns[c] = true
	}
	return !s.closed
}

func (s *Server) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
