package tunneltest_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/sdk/settings"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel/tunneltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorld(t *testing.T) {
	tunneltest.Run(t, func(*testing.T) tunneltest.Fixture { return tunneltest.NewWorld() })
}

// TestWorldKeepsSecrets: "***" in settings is the secret that is set, and only the module's own run gets it.
func TestWorldKeepsSecrets(t *testing.T) {
	type own struct {
		Site tunnel.Site   `json:"site"`
		Bind tunnel.Secret `json:"bind_password"`
		Port int           `json:"port" default:"389"`
	}
	schema, err := settings.Schema(reflect.TypeFor[own]())
	if err != nil {
		t.Fatal(err)
	}
	w := tunneltest.NewWorld()
	ref := tunnel.ConfigurationRef{Module: "adsync", Name: "default"}
	if err := w.AddModule(tunnel.Description{Name: "adsync", Version: "1", Schema: schema}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ doc, want string }{
		{`{"bind_password":"one"}`, `{"bind_password":"one","port":389}`},
		{`{"bind_password":"***","port":636}`, `{"bind_password":"one","port":636}`},
		{`{"bind_password":"two"}`, `{"bind_password":"two","port":389}`},
		{`{}`, `{"port":389}`},
		{`{"bind_password":"***"}`, `{"port":389}`}, // there is none any more
	} {
		if err := w.Configure(ref, json.RawMessage(step.doc)); err != nil {
			t.Fatal(err)
		}
		if got := string(w.Settings(ref)); got != step.want {
			t.Errorf("after %s: got %s, want %s", step.doc, got, step.want)
		}
	}
	if got := w.Settings(tunnel.ConfigurationRef{Module: "adsync", Name: "none"}); got != nil {
		t.Errorf("got %s", got)
	}
}

// TestWorldRefusesModules: descriptions come from plugins.
func TestWorldRefusesModules(t *testing.T) {
	w := tunneltest.NewWorld()
	for _, d := range []tunnel.Description{
		{Name: "operator"}, {Name: "A"}, {Name: "a", Schema: json.RawMessage(`{"type":"object"}`)}, {Name: "a", Slots: []tunnel.Slot{{Name: "x"}}},
	} {
		if err := w.AddModule(d); err == nil {
			t.Errorf("%+v was taken", d)
		}
	}
	if err := w.Configure(tunnel.ConfigurationRef{Module: "a", Name: "b"}, nil); !errors.Is(err, tunnel.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestWorldInABubble: modules' tests run the World with virtual time.
func TestWorldInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := tunneltest.NewWorld()
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan tunnel.ChangeType, 8)
		go func() {
			defer close(told)
			for c, err := range w.As("tapi").Watch(ctx) {
				if err == nil {
					told <- c.Type
				}
			}
		}()
		synctest.Wait()
		ref := tunnel.Ref{Owner: tunnel.Operator, Name: "a"}
		if err := w.AddTunnel(tunnel.Tunnel{Ref: ref, Server: tunnel.Server{Host: "h", Port: 22, User: "u"}}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.Sleep(time.Hour)
		v, err := w.As("tapi").Get(ctx, ref)
		if err != nil || !v.Status.Since.Equal(began) {
			t.Errorf("since %v, want %v: %v", v.Status.Since, began, err)
		}
		cancel()
		synctest.Wait()
		if a, b := <-told, <-told; a != tunnel.Synced || b != tunnel.Changed {
			t.Errorf("told %s, %s", a, b)
		}
	})
}
