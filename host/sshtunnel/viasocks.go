package sshtunnel

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// SOCKS5 as a client speaks it (RFC 1928, and RFC 1929 for the password). It is our own because the client of
// golang.org/x/net tells every refusal as one text, and here they must be told apart.
const (
	socksVersion = 5
	loginVersion = 1

	methodNone     = 0
	methodPassword = 2
	methodRefused  = 0xff

	commandConnect = 1

	addressIPv4 = 1
	addressName = 3
	addressIPv6 = 4
)

// askSOCKS asks by SOCKS5. An answer is read to its last byte and no further.
func (w *way) askSOCKS(c net.Conn) *Failure {
	method, f := w.negotiate(c)
	if f == nil && method == methodPassword {
		f = w.logIn(c)
	}
	if f != nil {
		return f
	}
	if _, err := c.Write(w.request()); err != nil {
		return w.silent(err, "the proxy hung up after the greeting")
	}
	return w.reply(c)
}

// negotiate greets the proxy and returns the way of logging in that it chose.
func (w *way) negotiate(c net.Conn) (method byte, f *Failure) {
	greeting := []byte{socksVersion, 1, methodNone}
	if w.via.User != "" {
		greeting = []byte{socksVersion, 2, methodNone, methodPassword}
	}
	if _, err := c.Write(greeting); err != nil {
		return 0, w.silent(err, "")
	}
	answer := make([]byte, 80) // of a SOCKS proxy two bytes, after which it waits for us
	n, err := io.ReadAtLeast(c, answer, 2)
	switch {
	case n == 0 && isTimeout(err):
		return 0, w.silent(err, "")
	case n == 0:
		return 0, w.forbidden("the proxy hung up at the greeting, before anything was asked")
	case n != 2 || answer[0] != socksVersion:
		return 0, w.noSuch(err, w.said(answer[:n]))
	}
	switch method = answer[1]; {
	case method == methodNone, method == methodPassword && w.via.User != "":
		return method, nil
	case method == methodRefused:
		return 0, w.methodsRefused()
	}
	return 0, w.noSuch(nil, fmt.Sprintf("the proxy chose a way of logging in that was not offered: %#02x", method))
}

// logIn sends user and password.
func (w *way) logIn(c net.Conn) *Failure {
	if len(w.password.Reveal()) > 255 {
		return w.loginRefused("the password is longer than the 255 bytes that SOCKS5 can say")
	}
	if _, err := c.Write(socksLogin(w.via, w.password)); err != nil {
		return w.silent(err, "the proxy hung up when it was to log us in")
	}
	var answer [2]byte
	_, err := io.ReadFull(c, answer[:])
	switch {
	case isTimeout(err):
		return w.silent(err, "the proxy did not answer the login")
	case err != nil:
		return w.loginRefused("the proxy hung up at the login")
	case answer[1] != 0:
		return w.loginRefused(fmt.Sprintf("the proxy answered the login with %#02x", answer[1]))
	}
	return nil
}

// socksLogin is a login as SOCKS5 says it.
func socksLogin(v tunnel.Via, password tunnel.Secret) []byte {
	user, secret := v.User, password.Reveal()
	login := append([]byte{loginVersion, byte(len(user))}, user...)
	return append(append(login, byte(len(secret))), secret...)
}

// request asks for a connection to the server, by its name where it has one.
func (w *way) request() []byte {
	b := []byte{socksVersion, commandConnect, 0}
	if ip, err := netip.ParseAddr(w.server.Host); err != nil {
		b = append(append(b, addressName, byte(len(w.server.Host))), w.server.Host...)
	} else if ip = ip.Unmap(); ip.Is4() {
		b = append(append(b, addressIPv4), ip.AsSlice()...)
	} else {
		b = append(append(b, addressIPv6), ip.AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(b, uint16(w.server.Port))
}

// reply reads the answer to the request. A proxy that has greeted us and is silent now waits for the server.
func (w *way) reply(c net.Conn) *Failure {
	var head [4]byte
	n, err := io.ReadFull(c, head[:])
	switch {
	case n == 0 && isTimeout(err):
		return w.serverUnreachable(tunnel.Filtered, w.waits("the proxy greeted us"))
	case n == 0:
		return w.failed("the proxy hung up without an answer to the request")
	case n < len(head) || head[0] != socksVersion:
		return w.noSuch(err, w.said(head[:n]))
	case head[1] != 0:
		return w.refusedBySOCKS(head[1])
	}
	size := 0
	switch head[3] {
	case addressIPv4:
		size = net.IPv4len
	case addressIPv6:
		size = net.IPv6len
	case addressName:
		var length [1]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return w.noSuch(err, w.said(head[:]), "it did not go on")
		}
		size = int(length[0])
	default:
		return w.noSuch(nil, w.said(head[:]))
	}
	if _, err := io.ReadFull(c, make([]byte, size+2)); err != nil { // where it connected from
		return w.noSuch(err, w.said(head[:]), "it did not go on")
	}
	return nil
}

// refusedBySOCKS says what a reply other than success means (RFC 1928, 6).
func (w *way) refusedBySOCKS(code byte) *Failure {
	replies := map[byte]string{
		1: "general failure", 2: "not allowed by the ruleset", 3: "network unreachable", 4: "host unreachable",
		5: "connection refused", 6: "TTL expired", 7: "command not supported", 8: "address type not supported",
	}
	evidence := fmt.Sprintf("the proxy answered %#02x", code)
	if s := replies[code]; s != "" {
		evidence += ", " + s
	}
	switch code {
	case 2:
		return w.forbidden(evidence)
	case 3:
		return w.serverUnreachable(tunnel.NoRoute, evidence)
	case 4:
		return w.serverUnreachable(tunnel.HostUnreachable, evidence)
	case 5:
		return w.serverUnreachable(tunnel.NothingListens, evidence)
	case 6:
		return w.serverUnreachable(tunnel.Filtered, evidence)
	case 7:
		return w.noSuch(nil, evidence)
	}
	return w.failed(evidence)
}
