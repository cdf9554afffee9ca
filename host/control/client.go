package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// Client asks a daemon. It is safe for concurrent use.
//
// Errors are *Error where the daemon said no, *Unreachable where no daemon answers, and the context's own where it
// ended.
type Client struct {
	// Warn, where it is set before the first call, is told each warning that comes beside an answer. Answers that have
	// a place for warnings carry them there.
	Warn func(warning string)

	socket string
	http   *http.Client
}

// Unreachable says that no daemon answers on a socket.
type Unreachable struct {
	Socket string
	Err    error
}

// Error says which socket and why.
func (u *Unreachable) Error() string {
	if u.dropped() {
		return fmt.Sprintf("the daemon on %s ended the connection: %v", u.Socket, u.Err)
	}
	return fmt.Sprintf("no daemon on %s: %v", u.Socket, u.Err)
}

// dropped reports whether somebody was there and hung up.
func (u *Unreachable) dropped() bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(u.Err, e) {
			return true
		}
	}
	return false
}

// Unwrap is the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// Hint is what to do.
func (u *Unreachable) Hint() string {
	switch {
	case errors.Is(u.Err, fs.ErrPermission):
		return "you may not use this socket: be root or a member of its group (culvert)"
	case u.dropped():
		return "it is stopping, or has more connections than it takes: end programs that follow it (culvert events -f), then try again"
	default:
		return "start culvertd, or name its socket with --socket or CULVERT_SOCKET"
	}
}

// NewClient returns a client of the daemon whose control socket is at that path. It connects when first asked.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: dial, MaxIdleConns: 4, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: 60 * time.Second,
	}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call asks for method path with in as body (nil for none) and reads the answer into out (nil for none).
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.open(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

// open sends the request and returns the answer if it is not an error; the caller closes its body.
func (c *Client) open(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://culvert"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set(tokenHeader, c.token())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	for _, warning := range warningsOf(resp) {
		if c.Warn != nil {
			c.Warn(warning)
		}
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readError(resp)
}

// token is what lies beside the socket, "" where it cannot be read: the daemon then says what is missing.
func (c *Client) token() string {
	b, err := os.ReadFile(TokenFile(c.socket))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// broken tells a daemon that does not answer from a caller who did not wait.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		err = sys.Err
	}
	return &Unreachable{Socket: c.socket, Err: err}
}

// readError is the error of a refusing answer, whatever its body holds.
func readError(resp *http.Response) error {
	e := &Error{}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(e); err != nil || e.Message == "" {
		e = &Error{Code: codeInternal, Message: "the daemon answered " + resp.Status}
	}
	e.Status = resp.StatusCode
	return e
}
