package sdktest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
)

// ServeModel is main of the test binary as a module: the model, which may be told to break something.
func ServeModel() {
	sdk.Serve(working{dry: true, model: model{begin: func(in instance) error {
		switch in.Settings.Mode {
		case "exit":
			os.Exit(3)
		case "fail":
			return errors.New("boom")
		case "tell":
			fmt.Println("the token is", in.Settings.Token.Reveal())
		case "unconfined":
			if os.Getenv("CONFINED") != "" {
				return errors.New("permission denied")
			}
		case "listen":
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			return l.Close()
		case "hang":
			time.Sleep(time.Minute)
		}
		return nil
	}}})
}

func TestAModelConformsAsABinary(t *testing.T) {
	ConformanceBinary(t, os.Args[0], Strict(), Unjudged("Sandbox", "the tests of culvertd judge it"), Settings(modelDocument))
}

// What a module does in the sandbox alone is seen. The launcher of this test is as the real one, and only says that it is there.
func TestWhatFailsInTheSandboxIsCaught(t *testing.T) {
	launcher := filepath.Join(t.TempDir(), "culvertd")
	if err := os.WriteFile(launcher, []byte("#!/bin/sh\n[ \"$1\" = __confine ] && CONFINED=$2 exec /proc/self/fd/4\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{"unconfined": "Run fails in the sandbox, and not without it: permission denied", "": ""} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{TB: t}
			defer rec.end()
			o := newOptions([]Option{Confined(launcher)})
			j := runsConfined(&bench{TB: rec, rule: "Sandbox"}, subject{
				open: binary(os.Args[0], o), bare: binary(os.Args[0], options{}), with: o, apart: true, quiet: 200 * time.Millisecond, first: 5 * time.Second,
				settings: strings.Replace(modelDocument, "{", `{"mode":"`+mode+`",`, 1),
			})
			if said := strings.Join(rec.errors, "\n"); !strings.Contains(said, want) || want == "" && said != "" || j.verdict != judged {
				t.Errorf("the rule says %q, %+v, and not %q", said, j, want)
			}
		})
	}
}

func TestABinaryIsCaughtToo(t *testing.T) {
	for _, c := range []struct {
		mode string
		hold func(*bench, subject) judgement
		want string
	}{
		{"exit", runs, "Run crashed"},
		{"fail", runs, "Run fails with the settings"},
		{"tell", keepsSecrets, "the secret of setting token shows in the log"},
		{"hang", endsAtRest, "Run has not returned 5s after its context ended, at rest"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{TB: t}
			defer rec.end()
			c.hold(&bench{TB: rec, rule: c.mode}, subject{
				open: binary(os.Args[0], options{}), quiet: 500 * time.Millisecond, first: 5 * time.Second,
				settings: strings.Replace(modelDocument, "{", `{"mode":"`+c.mode+`",`, 1),
				with:     newOptions(nil),
			})
			if said := strings.Join(rec.errors, "\n"); !strings.Contains(said, c.want) {
				t.Errorf("the rule says %q, and not %q", said, c.want)
			}
		})
	}
}
