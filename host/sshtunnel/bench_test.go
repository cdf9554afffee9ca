package sshtunnel_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/host/sshtunnel/sshdtest"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// BenchmarkNewConnections opens connections through a remote port one at a time: by Culvert and by ssh -R on the same
// sshd. The difference is TCP_QUICKACK: ssh waits for a delayed acknowledgement each time.
func BenchmarkNewConnections(b *testing.B) {
	pair, err := sshtunnel.NewKeyPair("bench")
	if err != nil {
		b.Fatal(err)
	}
	s := sshdtest.Start(b, sshdtest.Options{AuthorizedKeys: []string{pair.AuthorizedKey()}})
	svc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer svc.Close()
	go func() {
		for {
			c, err := svc.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	lport := svc.Addr().(*net.TCPAddr).Port
	b.Run("culvert", func(b *testing.B) { benchCulvert(b, s, pair, lport) })
	b.Run("ssh-R", func(b *testing.B) { benchSSH(b, s, pair, lport) })
}

func benchCulvert(b *testing.B, s *sshdtest.Server, pair sshtunnel.KeyPair, lport int) {
	c := config(s.Host, s.Port)
	c.Credential = tunnel.Credential{Login: tunnel.LoginKey, PrivateKey: pair.PEM()}
	rport := benchPort(b)
	err := run(b.Context(), &c, func(ctx context.Context, l *sshtunnel.Link) error {
		if err := l.Apply(ctx, expose("e", lport, rport)); err != nil {
			return err
		}
		benchConnections(b, rport)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

func benchSSH(b *testing.B, s *sshdtest.Server, pair sshtunnel.KeyPair, lport int) {
	key := filepath.Join(b.TempDir(), "key")
	if err := os.WriteFile(key, []byte(pair.PEM().Reveal()), 0o600); err != nil {
		b.Fatal(err)
	}
	rport := benchPort(b)
	ssh := exec.Command("ssh", "-F", "none", "-NT", "-i", key, "-p", fmt.Sprint(s.Port), "-c", "aes128-gcm@openssh.com",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-R", fmt.Sprintf("localhost:%d:127.0.0.1:%d", rport, lport), "root@"+s.Host)
	if err := ssh.Start(); err != nil {
		b.Skipf("skipped: needs ssh (package openssh-client): %v", err)
	}
	defer func() { _ = ssh.Process.Kill(); _ = ssh.Wait() }()
	for len(sshdtest.Bound(b, rport)) == 0 {
		if b.Context().Err() != nil {
			b.Fatal("ssh -R does not listen")
		}
	}
	benchConnections(b, rport)
}

// benchConnections opens one connection after the other and has one byte echoed.
func benchConnections(b *testing.B, port int) {
	b.ResetTimer()
	for range b.N {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Write([]byte{1}); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "conns/s")
}

func benchPort(b *testing.B) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
