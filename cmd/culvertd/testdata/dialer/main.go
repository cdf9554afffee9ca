// Command dialer is a module of the tests: it reaches what is behind its slot web, over and over, and keeps what came of
// the last try in result.json of its directory.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func main() { sdk.Serve(dialer{}) }

type dialer struct{}

type settings struct {
	Site sdk.Site `json:"site" title:"Site" slots:"web"`
}

var web = sdk.Slot{Name: "web", Title: "Service", Kinds: []tunnel.Kind{tunnel.Reach}, Spec: ":80", On: true}

func (dialer) Describe() sdk.Description {
	return sdk.Description{Name: "dialer", Version: "1.0.0", Slots: []sdk.Slot{web}, Grants: []sdk.Grant{"dial 5038"}}
}

// result is one try.
type result struct {
	Try           int
	Answer, Error string
	Reason        tunnel.Reason
	Took          time.Duration
}

func (dialer) Run(ctx context.Context, in *sdk.Instance[settings]) error {
	if err := in.Declare(ctx, in.Settings.Site.Tunnel()); err != nil {
		return err
	}
	for n := 1; ctx.Err() == nil; n++ {
		began := time.Now()
		answer, err := ask(ctx, in)
		r := result{Try: n, Answer: answer, Took: time.Since(began)}
		var status *tunnel.StatusError
		if errors.As(err, &status) {
			r.Reason = status.Reason
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := keep(in.Dir, r); err != nil {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// ask sends, ends its direction and reads what the service says after that end.
func ask(ctx context.Context, in *sdk.Instance[settings]) (string, error) {
	c, err := in.DialFunc(in.Settings.Site.Mapping(web))(ctx, "tcp", "ignored:1")
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.Copy(c, strings.NewReader(strings.Repeat("x", 100_000))); err != nil {
		return "", err
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return "", fmt.Errorf("%T has no CloseWrite", c)
	}
	if err := half.CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return "", fmt.Errorf("no answer after the end of sending: %w", err)
	}
	return string(b), err
}

func keep(dir string, r result) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "result.tmp")
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "result.json"))
}
