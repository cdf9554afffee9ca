// Package amitest is a stub of Asterisk's manager interface for tests: the banner, login by secret and by challenge,
// rights by class, reloads, and the wording of Asterisk 22. It is no Asterisk and reads no configuration.
package amitest

import (
	"bufio"
	"crypto/md5" //nolint:gosec // the protocol has no other
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Stub is the other end. The zero rights let a user do what needs none.
type Stub struct {
	User, Secret string
	Rights       []string // of write: "config", "system", ...
	Modules      []string // that can be reloaded

	mu       sync.Mutex
	reloaded []string
	noise    bool
}

// Start listens on loopback until the test ends, and returns the address.
func (s *Stub) Start(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// Reloaded are the modules that were reloaded so far.
func (s *Stub) Reloaded() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reloaded)
}

// Noisy makes the stub send an event before every response.
func (s *Stub) Noisy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noise = true
}

// Allow changes the rights of the user from now on.
func (s *Stub) Allow(rights ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Rights = rights
}

func (s *Stub) serve(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "Asterisk Call Manager/11.0.0\r\n")
	const challenge = "840415273"
	action, in, loggedIn := map[string]string{}, bufio.NewScanner(conn), false
	for in.Scan() {
		if line := strings.TrimRight(in.Text(), "\r"); line != "" {
			name, value, _ := strings.Cut(line, ":")
			action[strings.ToLower(name)] = strings.TrimSpace(value)
			continue
		}
		answer := ""
		switch does := strings.ToLower(action["action"]); {
		case does == "challenge":
			answer = "Response: Success\r\nChallenge: " + challenge + "\r\n"
		case does == "login":
			key := md5.Sum([]byte(challenge + s.Secret)) //nolint:gosec // as above
			loggedIn = action["username"] == s.User && (action["secret"] == s.Secret && s.Secret != "" || action["key"] == hex.EncodeToString(key[:]))
			answer = said(loggedIn, "Authentication accepted", "Authentication failed")
		case !loggedIn:
			answer = said(false, "", "Permission denied")
		case does == "reload":
			answer = s.reload(action["module"])
		case does == "logoff":
			answer = "Response: Goodbye\r\nMessage: Thanks for all the fish.\r\n"
		default:
			answer = said(false, "", "Invalid/unknown command")
		}
		s.answer(conn, answer, action["actionid"])
		if strings.HasPrefix(answer, "Response: Goodbye") || strings.Contains(answer, "Authentication failed") {
			return
		}
		clear(action)
	}
}

func (s *Stub) answer(conn net.Conn, text, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noise {
		fmt.Fprint(conn, "Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n")
	}
	fmt.Fprintf(conn, "%sActionID: %s\r\n\r\n", text, id)
}

func (s *Stub) reload(module string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !slices.Contains(s.Rights, "config") && !slices.Contains(s.Rights, "system"):
		return said(false, "", "Permission denied")
	case !slices.Contains(s.Modules, module):
		return said(false, "", "No such module.")
	}
	s.reloaded = append(s.reloaded, module)
	return said(true, "Module Reloaded", "")
}

func said(ok bool, success, failure string) string {
	if ok {
		return "Response: Success\r\nMessage: " + success + "\r\n"
	}
	return "Response: Error\r\nMessage: " + failure + "\r\n"
}
