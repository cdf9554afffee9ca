package sshtunnel_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/culvert-pbx/culvert/host/sshtunnel"
	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// proxied is a real proxy on loopback, as a process of its own.
type proxied struct {
	tunnel.Via
	proc *exec.Cmd
	stop func()
}

const proxyUser, proxyPassword = "pbx", "open-sesame"

// tinyproxy starts an HTTP proxy that lets everybody connect to the ports allowed, all where there are none.
func tinyproxy(t *testing.T, login bool, allowed ...int) *proxied {
	t.Helper()
	p := &proxied{Via: tunnel.Via{Scheme: tunnel.ViaHTTP, Host: "127.0.0.1", Port: freePort(t)}}
	lines := []string{fmt.Sprint("Port ", p.Port), "Listen 127.0.0.1", "Allow 127.0.0.0/8", "Timeout 600", "MaxClients 50"}
	for _, port := range allowed {
		lines = append(lines, fmt.Sprint("ConnectPort ", port))
	}
	if login {
		p.User = proxyUser
		lines = append(lines, "BasicAuth "+proxyUser+" "+proxyPassword)
	}
	conf := writeLines(t, "tinyproxy.conf", lines)
	p.start(t, "/usr/bin/tinyproxy", "tinyproxy-bin", "exec /usr/bin/tinyproxy -d -c "+conf)
	return p
}

// danted starts a SOCKS5 proxy that lets everybody connect to all ports but those forbidden. Its users are the system's:
// with a login it sees one that only it knows.
func danted(t *testing.T, login bool, forbidden ...int) *proxied {
	t.Helper()
	p := &proxied{Via: tunnel.Via{Scheme: tunnel.ViaSOCKS5, Host: "127.0.0.1", Port: freePort(t)}}
	method, before := "none", ""
	if login {
		p.User, method, before = proxyUser, "username", knownUser(t)
	}
	lines := []string{
		"logoutput: stderr", fmt.Sprintf("internal: 127.0.0.1 port = %d", p.Port), "external: 127.0.0.1",
		"clientmethod: none", "socksmethod: " + method, "user.privileged: root", "user.unprivileged: nobody",
		"client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }",
	}
	for _, port := range forbidden {
		lines = append(lines, fmt.Sprintf("socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 port = %d }", port))
	}
	lines = append(lines, "socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect }")
	conf := writeLines(t, "danted.conf", lines)
	p.start(t, "/usr/sbin/danted", "dante-server",
		before+"exec /usr/sbin/danted -f "+conf+" -p "+filepath.Join(filepath.Dir(conf), "pid"))
	return p
}

// knownUser are the commands by which a process sees a user of its own beside the system's: in a namespace of mounts that
// ends with it.
func knownUser(t *testing.T) string {
	t.Helper()
	const hash = "$6$culvert$WBjJTmHTQ/QofFDA5wXdw3XL0UeMf72g.pmjm4mrHWA6dH1s7m/UY.gc4oekwWgiCWwWocUQnj67cVZc.p.BM0" // of proxyPassword
	added := func(file, line string) string {
		old, err := os.ReadFile(file)
		must(t, err)
		path := writeLines(t, filepath.Base(file), []string{strings.TrimSpace(string(old)), line})
		return "mount --bind " + path + " " + file + " && "
	}
	return "mount --make-rprivate / && " +
		added("/etc/passwd", proxyUser+":x:61234:61234::/nonexistent:/usr/sbin/nologin") +
		added("/etc/shadow", proxyUser+":"+hash+":19000:0:99999:7:::")
}

func writeLines(t *testing.T, name string, lines []string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// start starts the program that command ends in and waits until it listens.
func (p *proxied) start(t *testing.T, program, pkg, command string) {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Skip("skipped: needs " + program + " (package " + pkg + ")")
	}
	if os.Getuid() != 0 {
		t.Skip("skipped: the proxy is started in a namespace of its own, by root")
	}
	var out bytes.Buffer
	p.proc = exec.Command("/bin/sh", "-c", command)
	p.proc.Stdout, p.proc.Stderr = &out, &out
	p.proc.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Unshareflags: syscall.CLONE_NEWNS}
	p.proc.WaitDelay = time.Second
	must(t, p.proc.Start())
	p.stop = sync.OnceFunc(func() {
		p.signal(syscall.SIGKILL)
		_ = p.proc.Wait()
	})
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the proxy wrote: %s", out.String())
		}
	})
	eventually(t, "the proxy listens", func() bool {
		c, err := net.Dial("tcp", p.Endpoint())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// signal reaches all processes of the proxy.
func (p *proxied) signal(s syscall.Signal) { _ = syscall.Kill(-p.proc.Process.Pid, s) }

// through returns c with p before it.
func through(c sshtunnel.Config, p *proxied) sshtunnel.Config {
	c.Via = p.Via
	if p.User != "" {
		c.Credential.Via = proxyPassword
	}
	return c
}

// fakeProxy is something at which a proxy is looked for.
func fakeProxy(t *testing.T, scheme string, handle func(*net.TCPConn)) (tunnel.Via, *service) {
	t.Helper()
	s := serve(t, handle)
	return tunnel.Via{Scheme: scheme, Host: "127.0.0.1", Port: s.port}, s
}

// pipeTo connects c and the server at addr until either ends.
func pipeTo(c *net.TCPConn, addr string) {
	far, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		defer far.Close()
		_, _ = far.(*net.TCPConn).ReadFrom(c)
	}()
	_, _ = c.ReadFrom(far)
}
