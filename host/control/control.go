// Package control is the control API: how an operator's program asks the running daemon for something.
//
// It is HTTP with JSON on a unix socket, live things as server-sent events. The package holds both ends: Listen and
// Server are the daemon's, Client is for the CLI and whoever comes next; the types with json tags are what travels
// between them, and their names are a contract: fields may be added, none is renamed.
//
// What it promises: the caller is known from the socket's peer credentials (operator:UID), never from what it says;
// nobody gets an answer without the token that lies beside the socket; a module's process is refused whatever it
// brings; every input is bounded and strict, and a refusal names every field, its value and the way out. Handlers
// decide nothing about tunnels: they ask the interfaces of ports.go, which the daemon joins to its parts.
package control

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Config is what a Server stands on. Every field is needed unless it says otherwise.
type Config struct {
	Operator Operator
	Modules  Modules
	Links    Links
	Journal  Journal
	Keys     Keys
	Settings Settings
	Health   func() []Problem // what is wrong with the daemon itself; nil is never anything

	CheckSpacing time.Duration // from the beginning of a check to the next of the same server; 0 is five seconds

	Token    string                             // what Listen returned
	IsModule func(pid int) (tunnel.Owner, bool) // whether a peer is, or descends from, a module's process
	Tell     func(tunnel.Event)                 // takes the events of refused peers
	Version  string                             // of the daemon
	Log      hclog.Logger
}

// Limits of one request.
const (
	maxBody       = 1 << 20
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 3 * time.Second
)

// Server answers the control API.
type Server struct {
	Config
	heartbeat time.Duration
	refusals  refusals
	turns     turns
	closing   chan struct{} // closed when streams shall end
}

// New returns a Server over c.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.CheckSpacing == 0 {
		c.CheckSpacing = checkSpacing
	}
	return &Server{Config: c, turns: turns{spacing: c.CheckSpacing}, heartbeat: 15 * time.Second, closing: make(chan struct{})}
}

// Serve answers on l until ctx ends, then ends the streams, lets running requests finish for a moment and closes l.
// It returns nil after that, or why it could not go on. It may be called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base := context.WithoutCancel(ctx)
	srv := &http.Server{
		Handler:           s.Handler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withPeer,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          s.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Warn}),
	}
	if own, ok := l.(*listener); ok {
		own.isModule = s.IsModule
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		srv.Close()
		return err
	case <-ctx.Done():
	}
	close(s.closing)
	grace, cancel := context.WithTimeout(base, drainTimeout)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		srv.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
