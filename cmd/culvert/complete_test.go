package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestCompletion(t *testing.T) {
	b := newTestbed(t)
	b.add("hello/x", "1389:389")
	b.Module(t, tunnel.Description{Name: "tapi", Version: "1", Grants: []tunnel.Grant{"dial 5038", "serve 8089", "network"}})
	b.must("module", "grant", "tapi", "dial", "5038")
	b.must("module", "grant", "tapi", "network")
	worker(b)
	for line, want := range map[string]string{
		"tunnel show ":                                          "hello/x\tconnecting",
		"tunnel set hello/x ":                                   "",
		"tunnel set hello/x --drop ":                            "reach-389\treach",
		"tunnel set hello/x --lane ":                            "reach-389=bulk reach-389=main",
		"tunnel set hello/x --accept-wider ":                    "reach-389",
		"tunnel set hello/x --refuse-wider ":                    "reach-389",
		"tunnel add hello/y --reach a=1:2 --expose 3:4 --lane ": "a=bulk a=main expose-4=bulk",
		"tunnel add hello/y --via ":                             "http",
		"tunnel why ":                                           "hello/x\tconnecting",
		"tunnel why hello/x/":                                   "hello/x/reach-389\treach",
		"tunnel why hello/absent/":                              "",
		"key show ":                                             "hello/x\tconnecting",
		"key show hello/x ":                                     "",
		"tunnel add ":                                           "hello/ office/ operator/",
		"config show ":                                          "hello/default\trunning",
		"config add ":                                           "hello/ office/",
		"module log ":                                           "hello\tstopped office\tstopped",
		"tunnel list --owner ":                                  "hello\tstopped office\tstopped",
		"tunnel list --output ":                                 "table json",
		"module grant tapi ":                                    "serve\tIt",
		"module grant tapi serve ":                              "8089\tIt",
		"module grant tapi dial ":                               "",
		"module revoke tapi ":                                   "dial\tIt network\tIt",
		"module revoke tapi dial ":                              "5038\tIt",
		"module revoke tapi network ":                           "",
		"action run ":                                           "worker/default\trunning",
		"action run worker/default ":                            "release\tRelease",
		"action run worker/default release ":                    "number=\tNumber",
		"action run hello/default ":                             "",
		"action list ":                                          "worker/default",
		"job run ":                                              "worker/default",
		"job run worker/default ":                               "sync\tSync",
		"job show worker/default ":                              "sync\tSync",
		"job run hello/default ":                                "",
		"module ":                                               "accept grant list log new restart revoke settings show",
		"module settings ":                                      "hello\tstopped office\tstopped",
		"config set hello/default ":                             "base= number= site.server=\tSSH site.slots.web.on=",
		"config set hello/default --set ":                       "base= number=",
		"config set hello/default --set site.login=":            "site.login=key site.login=password",
		"config add hello/b site.slots.web.on=":                 "site.slots.web.on=true site.slots.web.on=false",
		"config set hello/default --set base=":                  "",
		"config set hello/default --secret-stdin ":              "bind_password site.password",
		"config set gone/default ":                              "",
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		r := b.run("", args...)
		offers, _, _ := strings.Cut(r.out, ":")
		for _, w := range strings.Fields(want) {
			if !strings.Contains(offers, w) {
				t.Errorf("%q offers %q, not %q", line, offers, want)
			}
		}
		if want == "" && offers != "" {
			t.Errorf("%q offers %q", line, offers)
		}
	}
}

// A key press does not hang on a daemon that does not answer.
func TestCompletionWaitsForNobody(t *testing.T) {
	socket := filepath.Join(controltest.Dir(t), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, at := range []string{socket, socket + ".absent"} {
		began := time.Now()
		r := runAt(t.Context(), at, "", "__complete", "tunnel", "show", "")
		if r.code != 0 || time.Since(began) > 2*time.Second || strings.Contains(r.out, "hello") {
			t.Errorf("exit %d after %s: %s", r.code, time.Since(began), r.out)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := runAt(t.Context(), "/nonexistent", "", "completion", shell); r.code != 0 || !strings.Contains(r.out, "culvert") {
			t.Errorf("%s: exit %d", shell, r.code)
		}
	}
}
