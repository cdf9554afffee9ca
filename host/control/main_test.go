package control_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/culvert-pbx/culvert/host/control"
	"github.com/culvert-pbx/culvert/host/control/controltest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hello is a module that allows every mapping.
var hello = tunnel.Description{Name: "hello", Version: "v1", Policy: tunnel.Anything}

// start runs a daemon with the module hello and one enabled configuration of it.
func start(t *testing.T) (*controltest.Daemon, *control.Client) {
	t.Helper()
	d := controltest.Start(t)
	d.Module(t, hello)
	c := control.NewClient(d.Socket)
	t.Cleanup(c.Close)
	if _, err := c.AddConfiguration(t.Context(), control.NewConfiguration{Module: "hello", Name: "default"}); err != nil {
		t.Fatal(err)
	}
	return d, c
}

// add makes the tunnel hello/NAME with one reach mapping.
func add(t *testing.T, c *control.Client, name, mapping string) control.Tunnel {
	t.Helper()
	out, err := c.AddTunnel(t.Context(), control.NewTunnel{
		Owner: "hello", Name: name, Server: "pbx@192.0.2.1", LoginInput: control.LoginInput{Login: "key"},
		Mappings: []control.MappingInput{{Kind: "reach", Mapping: mapping}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// raw sends one request as it is and returns status and body.
func raw(t *testing.T, d *controltest.Daemon, method, path, token, body string) (int, string) {
	t.Helper()
	status, _, answer := rawWithHeader(t, d, method, path, token, body)
	return status, answer
}

func rawWithHeader(t *testing.T, d *controltest.Daemon, method, path, token, body string) (int, http.Header, string) {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.Socket)
	}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://culvert"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Culvert-Token", token)
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// token is that of the running daemon.
func token(t *testing.T, d *controltest.Daemon) string {
	t.Helper()
	b, err := os.ReadFile(control.TokenFile(d.Socket))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// refusal reads an error body.
func refusal(t *testing.T, body string) control.Error {
	t.Helper()
	var e control.Error
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	return e
}
