package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/host/netbed"
)

func trustLimits() []limit {
	return []limit{
		{goal: "S4", figure: "logins", asked: "no login reaches a server with another key", stat: "sum"},
		{goal: "S4", figure: "unblocked", asked: "the tunnel is blocked: hostkey-mismatch", stat: "sum"},
		{goal: "S5", kinds: weakNames(), figure: "sessions", asked: "no session with a weak algorithm", stat: "sum"},
		{goal: "S5", kinds: weakNames(), figure: "unnamed", asked: "each refused by its name", stat: "sum"},
		{goal: "S5", kinds: soundNames(), figure: "missing", asked: "each sound algorithm works", stat: "sum"},
		{goal: "S6", figure: "wide", asked: "no listener off loopback", stat: "sum"},
		{goal: "S7", figure: "failed", asked: "hostile servers: all tests of the engine pass", stat: "sum"},
	}
}

func trustBatches() []batch {
	all := []batch{{goal: "S7", kind: "engine", want: 1, takes: 25 * time.Minute, run: hostile}}
	for _, c := range []struct {
		kind string
		evil func(*lane) (*netbed.SSHD, error)
	}{
		{"another key", (*lane).anotherKey}, {"another type", (*lane).anotherType}, {"man in the middle", (*lane).manInTheMiddle},
		{"first use", (*lane).firstUse},
	} {
		all = append(all, batch{goal: "S4", kind: c.kind, want: 100, takes: time.Minute, run: trust(c.kind, c.evil)})
	}
	for _, c := range weak {
		all = append(all, batch{goal: "S5", kind: c.name, want: 1, takes: 20 * time.Second, run: c.refused})
	}
	for _, c := range sound {
		all = append(all, batch{goal: "S5", kind: c.name, want: 1, takes: 20 * time.Second, run: c.taken})
	}
	return all
}

func (l *lane) anotherKey() (*netbed.SSHD, error) { return l.newKey("ed25519") }

func (l *lane) anotherType() (*netbed.SSHD, error) { return l.newKey("ecdsa") }

func (l *lane) newKey(kind string) (*netbed.SSHD, error) {
	l.sshd.Stop()
	return l.sshd, errors.Join(l.sshd.NewHostKey(kind), l.sshd.Start())
}

func (l *lane) manInTheMiddle() (*netbed.SSHD, error) {
	key, err := l.w.daemon.key(context.Background())
	if err != nil {
		return nil, err
	}
	evil, err := l.w.bed.SSHD(l.w.bed.Evil, netbed.SSHDOptions{Port: l.port, Keys: []string{key}})
	if err == nil {
		err = l.w.bed.MITMOn(l.port)
	}
	l.sshd.KillSessions()
	return evil, err
}

// firstUse adds the tunnel anew, with the fingerprint of the server's key, while somebody is in between.
func (l *lane) firstUse() (*netbed.SSHD, error) {
	fingerprint, err := l.sshd.Fingerprint()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if _, err := l.w.daemon.cli(ctx, "", "tunnel", "remove", l.tunnel); err != nil {
		return nil, err
	}
	evil, err := l.manInTheMiddle()
	if err != nil {
		return nil, err
	}
	_, err = l.w.daemon.cli(ctx, "", "tunnel", "add", l.tunnel, "--server", "root@"+l.sshd.Addr, "--key", "host", "--fingerprint", fingerprint)
	return evil, err
}

// trust exchanges the server behind every lane's port, and counts what reaches the wrong one.
func trust(kind string, exchange func(*lane) (*netbed.SSHD, error)) func(context.Context, *session) error {
	return func(ctx context.Context, s *session) error {
		w, err := s.newWorld(ctx, worldOptions{lanes: side, every: -1})
		if err != nil {
			return err
		}
		defer w.close()
		w.each(func(l *lane) {
			figures, err := l.exchanged(ctx, exchange)
			if ctx.Err() == nil {
				s.trial("S4", kind, figures, err)
			}
		})
		return ctx.Err()
	}
}

func (l *lane) exchanged(ctx context.Context, exchange func(*lane) (*netbed.SSHD, error)) (map[string]float64, error) {
	began := time.Now()
	evil, err := exchange(l)
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	figures := map[string]float64{"unblocked": 0}
	said, err := l.w.words.wait(wait, l.tunnel, began, func(w word) bool { return w.State == "blocked" })
	if err != nil || said.Reason != "hostkey-mismatch" {
		figures["unblocked"] = 1
		err = fmt.Errorf("it is %s", l.state())
	}
	for range 2 { // an operator who tries again and again changes nothing
		if _, err := l.w.daemon.cli(ctx, "", "tunnel", "restart", l.tunnel); err != nil {
			return figures, err
		}
		pause(ctx, 2*time.Second)
	}
	log := evil.Log()
	for _, word := range []string{"Accepted", "Failed", "userauth", "Postponed"} {
		figures["logins"] += float64(strings.Count(log, word))
	}
	return figures, err
}

// algorithms are what a server offers and nothing else.
type algorithms struct {
	name    string
	keyType string
	config  []string
}

// weak are servers that nobody should log in to.
var weak = []algorithms{
	{"diffie-hellman-group1-sha1", "", []string{"KexAlgorithms diffie-hellman-group1-sha1"}},
	{"diffie-hellman-group14-sha1", "", []string{"KexAlgorithms diffie-hellman-group14-sha1"}},
	{"diffie-hellman-group-exchange-sha1", "", []string{"KexAlgorithms diffie-hellman-group-exchange-sha1"}},
	{"ssh-rsa", "rsa -b 3072", []string{"HostKeyAlgorithms ssh-rsa"}},
	{"RSA of 1024 bits", "rsa -b 1024", []string{"RequiredRSASize 1024"}},
	{"3des-cbc", "", []string{"Ciphers 3des-cbc"}},
	{"aes128-cbc", "", []string{"Ciphers aes128-cbc"}},
	{"aes256-cbc", "", []string{"Ciphers aes256-cbc"}},
	{"chacha20-poly1305", "", []string{"Ciphers chacha20-poly1305@openssh.com"}},
	{"hmac-md5", "", []string{"Ciphers aes128-ctr", "MACs hmac-md5"}},
	{"hmac-md5-96", "", []string{"Ciphers aes128-ctr", "MACs hmac-md5-96"}},
	{"hmac-sha1", "", []string{"Ciphers aes128-ctr", "MACs hmac-sha1"}},
	{"hmac-sha1-96", "", []string{"Ciphers aes128-ctr", "MACs hmac-sha1-96"}},
	{"SSH version 1", "", nil},
}

// versionOne is a server of the days before.
func versionOne(c net.Conn) {
	_, _ = c.Write([]byte("SSH-1.5-1.2.27\r\n"))
	_, _ = io.Copy(io.Discard, c)
}

// sound are servers that have one way that is good.
var sound = []algorithms{
	{"curve25519-sha256", "", []string{"KexAlgorithms curve25519-sha256"}},
	{"ecdh-sha2-nistp256", "", []string{"KexAlgorithms ecdh-sha2-nistp256"}},
	{"diffie-hellman-group16-sha512", "", []string{"KexAlgorithms diffie-hellman-group16-sha512"}},
	{"rsa-sha2-512", "rsa -b 3072", []string{"HostKeyAlgorithms rsa-sha2-512"}},
	{"ecdsa-sha2-nistp256", "ecdsa", nil},
	{"aes256-gcm", "", []string{"Ciphers aes256-gcm@openssh.com"}},
	{"aes128-ctr, hmac-sha2-256-etm", "", []string{"Ciphers aes128-ctr", "MACs hmac-sha2-256-etm@openssh.com"}},
	{"aes256-ctr, hmac-sha2-512", "", []string{"Ciphers aes256-ctr", "MACs hmac-sha2-512"}},
}

func weakNames() []string  { return names(weak) }
func soundNames() []string { return names(sound) }

func names(all []algorithms) (out []string) {
	for _, a := range all {
		out = append(out, a.name)
	}
	return out
}

// refused offers only what is weak.
func (a algorithms) refused(ctx context.Context, s *session) error {
	v, log, err := a.offer(ctx, s, func(v shown) bool { return v.Reason != "" })
	if err != nil {
		return err
	}
	figures := map[string]float64{"sessions": float64(strings.Count(log, "Accepted")), "unnamed": 0}
	if v.Reason != "algorithm-refused" {
		figures["unnamed"] = 1
		err = fmt.Errorf("it is %s (%s): %s", v.State, v.Reason, v.Message)
	}
	s.trial("S5", a.name, figures, err)
	return nil
}

// taken offers only what is sound.
func (a algorithms) taken(ctx context.Context, s *session) error {
	v, _, err := a.offer(ctx, s, func(v shown) bool { return v.State == "up" })
	if err != nil {
		return err
	}
	figures := map[string]float64{"missing": 0}
	if v.State != "up" {
		figures["missing"] = 1
		err = fmt.Errorf("it is %s (%s): %s", v.State, v.Reason, v.Message)
	}
	s.trial("S5", a.name, figures, err)
	return nil
}

// offer has a daemon meet the server, waits for an end of it and returns what both say.
func (a algorithms) offer(ctx context.Context, s *session, enough func(shown) bool) (v shown, log string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.newWorld(ctx, worldOptions{})
	if err != nil {
		return v, "", err
	}
	defer w.close()
	said, err := a.serve(ctx, w)
	if err != nil {
		return v, "", err
	}
	if _, err := w.daemon.cli(ctx, "", "tunnel", "add", "operator/x", "--server", fmt.Sprintf("root@%s:%d", netbed.SrvAddr, offerPort), "--key", "host"); err != nil {
		return v, "", err
	}
	_ = until(ctx, 30*time.Second, func() error {
		if v, err = w.daemon.show(ctx, "operator/x"); err == nil && !enough(v) {
			err = errors.New("not yet")
		}
		return err
	})
	return v, said(), ctx.Err()
}

const offerPort = 2222

// serve starts the server and returns what will be its log.
func (a algorithms) serve(ctx context.Context, w *world) (said func() string, err error) {
	if a.keyType == "" && a.config == nil {
		l, err := w.bed.Srv.Listen(fmt.Sprintf("%s:%d", netbed.SrvAddr, offerPort))
		if err != nil {
			return nil, err
		}
		go hang(l, versionOne, nil)
		context.AfterFunc(ctx, func() { l.Close() })
		return func() string { return "" }, nil
	}
	key, err := w.daemon.key(ctx)
	if err != nil {
		return nil, err
	}
	sshd, err := w.bed.SSHD(w.bed.Srv, netbed.SSHDOptions{Port: offerPort, Keys: []string{key}, KeyType: a.keyType, Config: a.config})
	if err != nil {
		return nil, err
	}
	return sshd.Log, nil
}

// hostile runs the long form of the engine's own tests against servers that mean harm (S7).
func hostile(ctx context.Context, s *session) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-timeout", "2h", "-run", "Hostile|Unasked|Flood|Lying|Mute|Foreign|Late|Stuck|Frozen|NoSSHServer|NoProxy", "./host/sshtunnel")
	cmd.Env = append(os.Environ(), "CULVERT_SOAK=1")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	passed := float64(strings.Count(string(out), "--- PASS: "))
	if err == nil && passed == 0 {
		err = errors.New("no such test was found")
	}
	failed := 0.0
	if err != nil {
		failed = 1
		err = fmt.Errorf("%w: %s", err, failedTests(string(out)))
	}
	s.trial("S7", "engine", map[string]float64{"passed": passed, "failed": failed}, err)
	return nil
}

// failedTests are the tests that failed, by what go test wrote of them, and what they said last.
func failedTests(out string) string {
	var all []string
	said := ""
	for line := range strings.Lines(out) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "--- FAIL: "):
			all = append(all, line+" "+said)
			said = ""
		case strings.Contains(line, "_test.go:"):
			said = line
		}
	}
	text := strings.Join(all, "; ")
	return text[:min(len(text), 2000)]
}
