package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
)

// A module that is made in an empty directory builds against the SDK, passes its own test, is dropped into the plugin
// directory of a running daemon, and does its job there: with the lines that are printed, pasted.
func TestAnAuthorOutsideTheRepository(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	culvert := filepath.Join(r.dir, "culvert") // with the plugin directory beside it
	if err := errors.Join(os.Link(filepath.Join(binDir, "culvert"), culvert), os.Symlink(r.plugins, filepath.Join(r.dir, "plugins"))); err != nil {
		t.Fatal(err)
	}
	desk := filepath.Join(r.dir, "desk")
	if err := os.Mkdir(desk, 0o755); err != nil {
		t.Fatal(err)
	}
	_, page := author(t, desk, culvert, "module", "new", "greeter", "--sdk", clone)
	_, pasted, _ := strings.Cut(page, "\n\n")
	if n := strings.Count(pasted, "\n"); n != 3 {
		t.Fatalf("%d lines to paste: %s", n, page)
	}
	if code, out := author(t, desk, culvert, "module", "new", "greeter", "--sdk", clone); code != 4 {
		t.Errorf("made again: exit %d: %s", code, out)
	}
	for _, line := range []string{"umask 002\n" + pasted, "cd greeter && go vet ./..."} {
		if code, out := author(t, desk, "sh", "-ec", line); code != 0 {
			t.Fatalf("%s\n%s", line, out)
		}
	}

	sshd := sshdtest.Start(t, sshdtest.Options{AuthorizedKeys: []string{r.publicKey()}})
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer site.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(site.URL, "http://"), ":")
	r.must("config", "add", "greeter/default", "--set", server(sshd), "--set", "site.slots.web.spec=:127.0.0.1:"+port, "--set", "check.every=1s")
	r.waitState("greeter/default.site", "up", time.Minute)
	eventually(t, time.Minute, "the module to do its job", func() error {
		return logHolds(r, "greeter", "status=418")
	})
}

// logHolds says what a module's log holds where that is not want.
func logHolds(r *rig, module, want string) error {
	out, err := r.try("module", "log", module)
	if err == nil && !strings.Contains(out, want) {
		err = fmt.Errorf("the log lacks %q: %s", want, out)
	}
	return err
}

// author runs a command as an author does, here without a network: all that Go needs is in its module cache.
func author(t *testing.T, dir, name string, args ...string) (code int, out string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0")
	b, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(b)
}
