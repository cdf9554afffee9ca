//go:build soak

package main

import (
	"fmt"
	"testing"
	"time"
)

// A server whose session stands still for long while its machine answers: another link takes over.
func TestAFrozenSessionIsLeftForAnother(t *testing.T) {
	t.Parallel()
	p := newPath(t)
	p.sshd.Freeze()
	frozen := time.Now()
	v := p.waitState(pathTunnel, "degraded", 30*time.Second)
	if v.Reason != "server-busy" {
		t.Errorf("it is degraded for %s: %s", v.Reason, v.Message)
	}
	eventually(t, 100*time.Second, "another session to be asked for", func() error {
		if len(p.sshd.Sessions()) < 2 {
			return fmt.Errorf("the sessions are %v", p.sshd.Sessions())
		}
		return nil
	})
	t.Logf("another session after %v", time.Since(frozen))
	p.waitState(pathTunnel, "degraded", 30*time.Second) // the port is held by the frozen one
	p.sshd.Thaw()
	p.back(time.Now(), 45*time.Second)
}
