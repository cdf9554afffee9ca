package sshtunnel

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// maxHead is how much an HTTP proxy may say before it is done, answers in between included.
const maxHead = 16 << 10

// restTimeout is how long more is waited for of words that are no HTTP.
const restTimeout = 200 * time.Millisecond

var (
	errNotHTTP  = errors.New("the answer is no HTTP")
	errLongHead = fmt.Errorf("the answer's header does not end within %d bytes", maxHead)
)

// askHTTP asks by CONNECT (RFC 9110, 9.3.6).
func (w *way) askHTTP(c net.Conn) *Failure {
	if _, err := io.WriteString(c, w.connect()); err != nil {
		return w.silent(err, "")
	}
	from := &io.LimitedReader{R: c, N: maxHead}
	for {
		head, err := readHead(from)
		if errors.Is(err, errNotHTTP) {
			head = append(head, restOf(c)...)
		}
		if err != nil {
			return w.noHead(head, err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodConnect})
		if err != nil {
			return w.noHead(head, errNotHTTP)
		}
		_ = answer.Body.Close()
		if answer.StatusCode >= 200 {
			return w.judge(answer)
		}
	}
}

// connect is the request, with the login where there is one.
func (w *way) connect() string {
	var b strings.Builder
	to := hostPort(w.server)
	fmt.Fprintf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", to, to)
	if w.via.User != "" {
		fmt.Fprintf(&b, "Proxy-Authorization: Basic %s\r\n", basicLogin(w.via, w.password))
	}
	return b.String() + "\r\n"
}

// basicLogin is a login as HTTP says it (RFC 7617).
func basicLogin(v tunnel.Via, password tunnel.Secret) string {
	return base64.StdEncoding.EncodeToString([]byte(v.User + ":" + password.Reveal()))
}

// readHead reads the header of an answer with the empty line at its end, and not one byte more, because what follows may
// be SSH already: hence byte by byte. It gives up at the first line that does not begin as HTTP.
func readHead(from *io.LimitedReader) ([]byte, error) {
	const begins = "HTTP/"
	var head []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(from, b); err != nil {
			if from.N == 0 {
				err = errLongHead
			}
			return head, err
		}
		head = append(head, b[0])
		if n := min(len(head), len(begins)); string(head[:n]) != begins[:n] {
			return head, errNotHTTP
		}
		if bytes.HasSuffix(head, []byte("\n\r\n")) || bytes.HasSuffix(head, []byte("\n\n")) {
			return head, nil
		}
	}
}

// restOf is what has come already of words that are no HTTP: what they are is told by more than their first letter.
func restOf(c net.Conn) []byte {
	_ = c.SetReadDeadline(time.Now().Add(restTimeout))
	b := make([]byte, maxSaid)
	n, _ := c.Read(b)
	return b[:n]
}

// noHead says why there is no answer by HTTP.
func (w *way) noHead(head []byte, err error) *Failure {
	switch {
	case errors.Is(err, errNotHTTP), errors.Is(err, errLongHead):
		return w.noSuch(err, w.said(head))
	case len(head) > 0 && isTimeout(err):
		return w.unfinished(err, w.said(head))
	case len(head) > 0:
		return w.noSuch(err, w.said(head), "it did not go on")
	case isTimeout(err):
		return w.silent(err, "")
	}
	return w.noSuch(err, "it hung up without an answer, as a SOCKS proxy does")
}

// judge says what an answer means.
func (w *way) judge(answer *http.Response) *Failure {
	evidence := w.told(answer)
	switch code := answer.StatusCode; {
	case code < 300:
		return nil
	case code == http.StatusProxyAuthRequired, code == http.StatusUnauthorized && w.via.User != "": // tinyproxy says this of a wrong password
		return w.loginRefused(evidence...)
	case code == http.StatusForbidden:
		return w.forbidden(evidence...)
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout,
		code == http.StatusInternalServerError && strings.Contains(answer.Status, "Unable to connect"): // tinyproxy
		cause := tunnel.Cause("")
		if code == http.StatusGatewayTimeout {
			cause = tunnel.Filtered
		}
		return w.serverUnreachable(cause, evidence...)
	case code < 500, code == http.StatusNotImplemented:
		return w.noSuch(nil, evidence...)
	}
	return w.failed(evidence...)
}

// told is what an answer says, and who says it.
func (w *way) told(answer *http.Response) []string {
	evidence := []string{"the proxy answered " + answer.Proto + " " + w.mask.over(answer.Status)}
	for _, name := range []string{"Server", "Via", "Proxy-Agent", "Proxy-Authenticate", "X-Squid-Error"} {
		for _, value := range answer.Header.Values(name) {
			evidence = append(evidence, name+": "+w.mask.over(value))
		}
	}
	return evidence
}

// lifeTimeout is for the question whether a proxy that is mute is one of HTTP.
const lifeTimeout = 2 * time.Second

// speaksHTTP reports whether something at addr answers a request that asks for nothing: an HTTP proxy does at once, also
// while it waits for a server.
func speaksHTTP(ctx context.Context, addr net.Addr) bool {
	ctx, cancel := context.WithTimeout(ctx, lifeTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err != nil {
		return false
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	_, _ = io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	b := make([]byte, len("HTTP/"))
	_, err = io.ReadFull(c, b)
	return err == nil && string(b) == "HTTP/"
}
