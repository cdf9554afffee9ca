package sdktest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestConnsCarryMoreThanTheyHold(t *testing.T) {
	a, b := newConns("site/smb")
	sent := make([]byte, 5*bufferSize+7)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(sent)
	go func() {
		_, _ = a.Write(sent)
		_ = a.CloseWrite()
	}()
	got, err := io.ReadAll(b)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("%d of %d bytes arrive, %v", len(got), len(sent), err)
	}
	if _, err := b.Write([]byte("answer")); err != nil {
		t.Errorf("after the other's half-close: %v", err)
	}
	_ = b.Close()
	if answer, err := io.ReadAll(a); string(answer) != "answer" {
		t.Errorf("the answer is %q, %v", answer, err)
	}
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newConns("site/smb")
		defer b.Close()
		begin := time.Now()
		_ = a.SetDeadline(begin.Add(time.Hour))
		_ = a.SetReadDeadline(begin.Add(time.Second)) // the earlier one is forgotten
		_, err := a.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("reading ends after %v with %v", time.Since(begin), err)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no timeout", err)
		}
		n, err := a.Write(make([]byte, 2*bufferSize))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != bufferSize || time.Since(begin) != time.Hour {
			t.Errorf("writing ends after %v with %d, %v", time.Since(begin), n, err)
		}
		_ = a.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past its deadline it reads %v", err)
		}
		_ = a.SetReadDeadline(time.Time{})
		_, _ = b.Write([]byte("x"))
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Errorf("without a deadline again it reads %v", err)
		}
	})
}

func TestConnEnds(t *testing.T) {
	a, b := newConns("site/smb")
	_ = b.Close()
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("writing to one that is gone: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading after the own Close: %v", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after the own Close: %v", err)
	}
	a, b = newConns("site/smb")
	a.reset()
	for _, c := range []*conn{a, b} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reading after a reset: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("writing after a reset: %v", err)
		}
	}
}

func TestConnFreezesAndSlows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newConns("site/smb")
		a.impair(true, 0)
		_, _ = a.Write([]byte("held"))
		time.AfterFunc(time.Minute, func() { a.impair(false, 0) })
		begin := time.Now()
		got := make([]byte, 4)
		if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, []byte("held")) || time.Since(begin) != time.Minute {
			t.Errorf("after %v it reads %q, %v", time.Since(begin), got, err)
		}
		a.impair(false, 3*time.Second)
		begin = time.Now()
		_, _ = b.Write([]byte("slow"))
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("a slow write takes %v", took)
		}
	})
}

// A service that reads from a frozen link ends with its world, also when the module has closed its end.
func TestAFrozenServiceEndsWithItsWorld(t *testing.T) {
	s := newSites(map[string]func(net.Conn){"site/smb": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }})
	c, err := s.dial(t.Context(), origin{site: "site"}, "smb")
	if err != nil {
		t.Fatal(err)
	}
	s.fault("site", Freeze)
	_ = c.Close()
	s.end()
}
