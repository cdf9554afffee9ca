package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshtest"
)

const canary = "c4naRy-7f3e91-p4ssW0rd"

// One password goes in, is used to log in at servers and proxies, and is nowhere to be found afterwards.
func TestAPasswordNeverComesOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, "monitoring", "hello")
	site, err := sshtest.Start(sshtest.Options{Password: canary})
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	wrong, err := sshtest.Start(sshtest.Options{Password: "another"})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()

	via := "http://pbx@" + proxy(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	r.must("config", "add", "hello/default")
	r.with(canary, "tunnel", "add", "operator/good", "--server", "pbx@"+site.Addr(), "--password-stdin")
	r.with(canary, "tunnel", "add", "hello/bad", "--server", "pbx@"+wrong.Addr(), "--password-stdin")
	r.with(canary, "tunnel", "add", "operator/far", "--server", "pbx@"+site.Addr(), "--password-stdin", "--via", via, "--via-password-file", file)
	r.with(canary, "config", "add", "monitoring/default", "--set", "site.server=pbx@"+site.Addr(), "--set", "site.login=password", "--set", page(freePort(t)),
		"--secret-stdin", "site.password")
	r.with(canary, "config", "set", "monitoring/default", "site.via="+via, "--secret-stdin", "site.via_password")
	r.waitState("operator/good", "up", 20*time.Second)
	r.waitState("operator/far", "up", 20*time.Second)
	r.waitState(victim, "up", 20*time.Second)
	r.waitState("hello/bad", "blocked", 20*time.Second)

	hunted := map[string]string{}
	for _, args := range [][]string{
		{"status"}, {"status", "-o", "json"}, {"tunnel", "list"}, {"tunnel", "list", "-o", "json"},
		{"tunnel", "show", "operator/good", "-o", "json"}, {"tunnel", "show", "operator/far", "-o", "json"}, {"tunnel", "why", "operator/far"}, {"tunnel", "show", "hello/bad"}, {"tunnel", "log", "hello/bad"},
		{"config", "list", "-o", "json"}, {"config", "show", "monitoring/default"}, {"config", "show", "monitoring/default", "-o", "json"},
		{"module", "list", "-o", "json"}, {"module", "show", "monitoring", "-o", "json"}, {"module", "log", "hello"}, {"module", "log", "monitoring"},
		{"events"}, {"events", "-o", "json"}, {"key", "show"},
	} {
		_, out, errs := r.cli("", args...)
		hunted["culvert "+strings.Join(args, " ")] = out + errs
	}
	hunted["the daemon's log"] = r.logText()
	r.hunt(hunted, r.cmd.Process.Pid)
	for _, m := range r.modules() {
		if m.PID > 0 {
			r.hunt(nil, m.PID)
		}
	}
	// The module sees every tunnel: its page is made from what List gave it.
	shown, err := fetch(r.metricsPort(victim))
	if err != nil {
		t.Fatal(err)
	}
	r.hunt(map[string]string{"the module's page": shown}, 0)
}

// proxy is an HTTP proxy that wants the user pbx with the canary, until the test ends; it gives its address.
func proxy(t *testing.T) string {
	t.Helper()
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("pbx:"+canary))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, "gone", http.StatusBadGateway)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(far, near); far.Close() }()
		_, _ = io.Copy(near, far)
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// hunt looks for the canary in texts, in the state directory and in what a process shows of itself.
func (r *rig) hunt(texts map[string]string, pid int) {
	r.t.Helper()
	look := func(where string, text []byte) {
		for _, form := range forms(canary) {
			if bytes.Contains(text, []byte(form)) {
				r.t.Errorf("%s holds the password as %q", where, form)
			}
		}
	}
	for where, text := range texts {
		if text == "" && !strings.Contains(where, "log") {
			r.t.Errorf("%s is empty: nothing was looked at", where)
		}
		look(where, []byte(text))
	}
	if pid > 0 {
		for _, f := range []string{"cmdline", "environ"} {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, f))
			if err != nil {
				r.t.Error(err)
			}
			look(fmt.Sprintf("/proc/%d/%s", pid, f), text)
		}
	}
	files := 0
	err := filepath.WalkDir(r.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		look(path, text)
		files++
		return err
	})
	if err != nil || files < 3 {
		r.t.Errorf("%d files were looked at: %v", files, err)
	}
}

// forms are the secret itself and its three base64 shapes, by where in a longer text it may begin.
func forms(secret string) []string {
	all := []string{secret}
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		all = append(all, text[4:len(text)-4])
	}
	return all
}

// with runs the CLI with a secret on its standard input.
func (r *rig) with(stdin string, args ...string) {
	r.t.Helper()
	if code, _, errs := r.cli(stdin+"\n", args...); code != 0 {
		r.t.Fatalf("culvert %s: exit %d: %s", strings.Join(args, " "), code, errs)
	}
}
