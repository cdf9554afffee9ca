package sdktest

import (
	"errors"
	"fmt"
	"os"
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
		case "hang":
			time.Sleep(time.Minute)
		}
		return nil
	}}})
}

func TestAModelConformsAsABinary(t *testing.T) {
	ConformanceBinary(t, os.Args[0], Strict(), Settings(modelDocument))
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
				open: binary(os.Args[0]), quiet: 500 * time.Millisecond, first: 5 * time.Second,
				settings: strings.Replace(modelDocument, "{", `{"mode":"`+c.mode+`",`, 1),
				with:     newOptions(nil),
			})
			if said := strings.Join(rec.errors, "\n"); !strings.Contains(said, c.want) {
				t.Errorf("the rule says %q, and not %q", said, c.want)
			}
		})
	}
}
