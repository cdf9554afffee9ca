package main

import (
	"net"
	"strings"
	"testing"
)

// A daemon that has too many connections is there: what is wrong is said, not that it should be started.
func TestTooManyConnections(t *testing.T) {
	b := newTestbed(t)
	for range 80 {
		x, err := net.Dial("unix", b.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		r := b.run("", "key", "show")
		if r.code == 0 {
			continue
		}
		if r.code != exitFailed || !strings.Contains(r.err, "64 connections of this process group") || !strings.Contains(r.err, "culvert: hint: end programs") {
			t.Errorf("exit %d: %s", r.code, r.err)
		}
		return
	}
	t.Error("80 connections of one process stand")
}
