// Package slapdtest runs a real OpenLDAP server for a test: the distribution's slapd, in a process and a directory of its
// own, on 127.0.0.1. Where slapd is not installed the test is skipped.
//
// The server takes passwords over encrypted connections alone, and gives a few entries at a time unless it is asked page by
// page, as directories in the field do.
package slapdtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What every server has.
const (
	Base     = "dc=corp,dc=example"
	Admin    = "cn=admin," + Base
	Password = "correct horse"
	Host     = "dc1.corp.example" // the name in its certificate
)

// Server is one that runs, or ran.
type Server struct {
	Plain, Secure int    // ports for StartTLS, and for TLS from the start
	CA            string // PEM, of who vouches for its certificate
	Pin           string // SHA-256 of its certificate, hexadecimal

	t     testing.TB
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}
	out   bytes.Buffer
}

const program = "/usr/sbin/slapd"

const conf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile %[1]s/pid
argsfile %[1]s/args
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
security simple_bind=128
sizelimit size.soft=3 size.hard=3 size.prtotal=unlimited
database mdb
maxsize 1073741824
suffix "` + Base + `"
rootdn "` + Admin + `"
rootpw "` + Password + `"
directory %[1]s/data
index objectClass eq
index uid,mail,member,uniqueMember,memberUid,entryUUID eq
dbnosync
overlay ppolicy
limits dn.exact="cn=reader,` + Base + `" size.soft=3 size.hard=3 size.prtotal=unlimited
`

// Start starts a server with the entries of an LDIF below Base, which it has itself. Among them cn=reader, who may read
// everything and is limited like everybody, with Password.
func Start(t testing.TB, ldif string) *Server {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Skipf("skipped: needs %s (package slapd)", program)
	}
	dir, err := os.MkdirTemp("", "slapd-")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir}
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("slapd said:\n%s", s.out.String())
		}
		os.RemoveAll(dir)
	})
	s.certify()
	s.put("slapd.conf", fmt.Sprintf(conf, dir))
	s.put("entries.ldif", root+ldif)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	add := exec.Command(program, "-T", "add", "-q", "-f", filepath.Join(dir, "slapd.conf"), "-l", filepath.Join(dir, "entries.ldif"))
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.Run()
	return s
}

// Reader is whom the tests' modules bind as.
const Reader = "cn=reader," + Base

const root = "dn: " + Base + "\nobjectClass: dcObject\nobjectClass: organization\no: corp\ndc: corp\n\n" +
	"dn: " + Reader + "\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: " + Password + "\n\n"

func (s *Server) put(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Run starts the server again, with all that it had, on its ports: at first on any that are free.
func (s *Server) Run() {
	s.t.Helper()
	tries := 1
	if s.Plain == 0 {
		tries = 5 // somebody may take a port between looking and listening
	}
	var err error
	for range tries {
		if tries > 1 {
			s.Plain, s.Secure = freePort(s.t), freePort(s.t)
		}
		if err = s.try(); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

func (s *Server) try() error {
	urls := fmt.Sprintf("ldap://127.0.0.1:%d ldaps://127.0.0.1:%d", s.Plain, s.Secure)
	s.out.Reset()
	s.cmd = exec.Command(program, "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", urls)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: 0}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(ended) }(s.cmd)
	return errors.Join(s.listens(s.Plain), s.listens(s.Secure))
}

// listens waits until something answers on the port.
func (s *Server) listens(port int) error {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		select {
		case <-s.ended:
			return fmt.Errorf("slapd ended: %s", s.out.String())
		default:
		}
		if c, err := net.DialTimeout("tcp", address(port), time.Second); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("slapd does not listen on %d", port)
}

// Stop ends the server; its data stays.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
	<-s.ended
	kill.Stop()
	s.cmd = nil
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

var portMu sync.Mutex

func freePort(t testing.TB) int {
	t.Helper()
	portMu.Lock()
	defer portMu.Unlock()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Person is the LDIF of one person below ou, a DN below Base that ends with a comma, or "". Further lines are attributes.
func Person(ou, uid, given, surname string, lines ...string) string {
	return fmt.Sprintf("dn: uid=%s,%s%s\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %s %s\nsn: %[5]s\ngivenName: %[4]s\nmail: %[1]s@corp.example\nuserPassword: %[6]s\n%[7]s\n",
		uid, ou, Base, given, surname, Password, lined(lines))
}

// Group is the LDIF of a group of these DNs.
func Group(cn string, members ...string) string {
	return fmt.Sprintf("dn: cn=%s,%s\nobjectClass: groupOfNames\ncn: %[1]s\nmember: %[3]s\n\n", cn, Base, strings.Join(members, "\nmember: "))
}

func lined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
