// Package ami speaks the manager interface of Asterisk as a client: it logs in, and does one action after the other.
// Whatever comes from the other end is bounded. Values with a line break are refused before they are sent, so no text can
// become a header of its own.
package ami

import (
	"bufio"
	"context"
	"crypto/md5" //nolint:gosec // the protocol has no other
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// Limits of what is taken and sent.
const (
	maxLine    = 8 << 10
	maxHeaders = 256
	maxValue   = 900 // Asterisk takes lines of about 1 KiB
	maxStrange = 10_000
)

// Timeout bounds each step where the context does not.
const Timeout = 10 * time.Second

// ErrLogin is a refused login, ErrDenied an action that the user may not do.
var (
	ErrLogin  = errors.New("the manager interface refused the login")
	ErrDenied = errors.New("the manager interface does not let this user do that")
)

// Header is one line of a message.
type Header struct{ Name, Value string }

// Message is an action, a response or an event.
type Message []Header

// Get is the first value of a header, whatever its case.
func (m Message) Get(name string) string {
	for _, h := range m {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// Client is one session. Its methods are called one at a time.
type Client struct {
	conn net.Conn
	r    *bufio.Reader
	next int
}

// Login takes a connection over and logs in by challenge, so that the secret never travels. It closes the connection when
// it fails.
func Login(ctx context.Context, conn net.Conn, user, secret string) (*Client, error) {
	c := &Client{conn: conn, r: bufio.NewReaderSize(conn, maxLine)}
	if err := c.login(ctx, user, secret); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) login(ctx context.Context, user, secret string) error {
	err := c.within(ctx, func() error {
		banner, err := c.line()
		if err == nil && !strings.HasPrefix(banner, "Asterisk Call Manager/") {
			err = fmt.Errorf("this is not the manager interface of Asterisk: it said %q", tunnel.Clean(banner, 80))
		}
		return err
	})
	if err != nil {
		return err
	}
	m, err := c.Do(ctx, Message{{"Action", "Challenge"}, {"AuthType", "MD5"}})
	if err != nil {
		return err
	}
	key := md5.Sum([]byte(m.Get("Challenge") + secret)) //nolint:gosec // as above
	_, err = c.Do(ctx, Message{{"Action", "Login"}, {"AuthType", "MD5"}, {"Username", user}, {"Key", hex.EncodeToString(key[:])}, {"Events", "off"}})
	if r := (*refusal)(nil); errors.As(err, &r) {
		return fmt.Errorf("%w: %s", ErrLogin, r.message)
	}
	return err
}

// refusal is a response that is an error.
type refusal struct{ message string }

func (r *refusal) Error() string { return "the manager interface said: " + r.message }
func (r *refusal) Is(target error) bool {
	return target == ErrDenied && r.message == "Permission denied"
}

// Do sends an action and returns its response. A response that is an error is one here; ErrDenied tells a missing right.
func (c *Client) Do(ctx context.Context, m Message) (response Message, err error) {
	err = c.within(ctx, func() error {
		c.next++
		id := strconv.Itoa(c.next)
		text, err := encode(append(m[:len(m):len(m)], Header{"ActionID", id}))
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c.conn, text); err != nil {
			return err
		}
		response, err = c.answer(id)
		return err
	})
	if err == nil && response.Get("Response") == "Error" {
		err = &refusal{tunnel.Clean(response.Get("Message"), 200)}
	}
	return response, err
}

// answer skips events and what else is not the response to id.
func (c *Client) answer(id string) (Message, error) {
	for range maxStrange {
		m, err := c.message()
		if err != nil {
			return nil, err
		}
		if m.Get("Response") != "" && m.Get("ActionID") == id {
			return m, nil
		}
	}
	return nil, errors.New("the manager interface talks, but does not answer")
}

func (c *Client) message() (m Message, err error) {
	for {
		line, err := c.line()
		if err != nil {
			return nil, err
		}
		if line == "" {
			if len(m) > 0 {
				return m, nil
			}
			continue
		}
		if len(m) == maxHeaders {
			return nil, errors.New("the manager interface sent a message without an end")
		}
		name, value, _ := strings.Cut(line, ":")
		m = append(m, Header{name, strings.TrimPrefix(value, " ")})
	}
}

func (c *Client) line() (string, error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errors.New("the manager interface sent a line without an end")
	case errors.Is(err, io.EOF):
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// within ends what is read and written when ctx ends, or after Timeout.
func (c *Client) within(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if err := c.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // it is closed then
	defer stop()
	err := f()
	if ctx.Err() != nil && err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return err
}

// Close logs out and closes the connection.
func (c *Client) Close() error {
	_, err := c.Do(context.Background(), Message{{"Action", "Logoff"}})
	return errors.Join(err, c.conn.Close())
}

// encode refuses what would be read as something else.
func encode(m Message) (string, error) {
	var b strings.Builder
	for _, h := range m {
		if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") || strings.ContainsAny(h.Name, ": ") || len(h.Value) > maxValue {
			return "", fmt.Errorf("the manager interface cannot be told %s: %q", h.Name, tunnel.Clean(h.Value, 80))
		}
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	return b.String() + "\r\n", nil
}
