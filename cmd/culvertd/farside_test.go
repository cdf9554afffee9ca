package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// farSide is what stands behind the SSH server of a site: real servers, each in a process and a directory of its own, that
// know names nobody on the PBX can look up and show certificates for them.
type farSide struct {
	t   *testing.T
	dir string
	ca  authority
}

// password is everybody's there.
const password = "correct horse"

func newFarSide(t *testing.T) *farSide {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: the servers of a site are started by root")
	}
	dir, err := os.MkdirTemp("/tmp", "cvsite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // not every server runs as root
		t.Fatal(err)
	}
	return &farSide{t: t, dir: dir, ca: newAuthority(t)}
}

// program finds a server's program, or skips the test.
func (f *farSide) program(pattern, pkg string) string {
	f.t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		f.t.Skipf("skipped: needs %s (package %s)", pattern, pkg)
	}
	return found[len(found)-1]
}

// place makes the directory of one server, which is uid's.
func (f *farSide) place(name string, uid int) string {
	f.t.Helper()
	dir := filepath.Join(f.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		f.t.Fatal(err)
	}
	return dir
}

// put writes a file of one server, which is uid's.
func (f *farSide) put(path, text string, uid int) {
	f.t.Helper()
	write(f.t, path, text)
	if err := os.Chown(path, uid, uid); err != nil {
		f.t.Fatal(err)
	}
}

// certify puts cert.pem, key.pem and ca.pem for a server of that name into dir.
func (f *farSide) certify(dir, name string, uid int) {
	f.t.Helper()
	cert, key := f.ca.issue(f.t, name)
	f.put(filepath.Join(dir, "cert.pem"), cert, uid)
	f.put(filepath.Join(dir, "key.pem"), key, uid)
	f.put(filepath.Join(dir, "ca.pem"), f.ca.pem, uid)
}

// serve runs a server until the test ends and waits until something listens on each of the ports.
func (f *farSide) serve(cmd *exec.Cmd, ports ...int) {
	f.t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	f.t.Cleanup(sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if f.t.Failed() {
			f.t.Logf("%s said:\n%s", cmd.Path, out.String())
		}
	}))
	for _, port := range ports {
		eventually(f.t, 30*time.Second, fmt.Sprintf("%s to listen on %d", cmd.Path, port), func() error {
			select {
			case <-ended:
				return fatal{fmt.Errorf("it ended: %s", out.String())}
			default:
			}
			c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
}

// must runs a program that prepares a server.
func (f *farSide) must(cmd *exec.Cmd) {
	f.t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
}

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
argsfile %[1]s/args
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
security simple_bind=128
sizelimit size.soft=50 size.hard=50 size.prtotal=unlimited
database mdb
suffix "dc=corp,dc=example"
rootdn "cn=admin,dc=corp,dc=example"
rootpw %[2]s
directory %[1]s/data
`

// directory starts slapd with that many people, more than it gives at a time, on a port each for StartTLS and for TLS. It
// takes no password in the clear.
func (f *farSide) directory(name string, people int) (plain, secure int) {
	f.t.Helper()
	slapd, conf := f.entries(name, people)
	plain, secure = freePort(f.t), freePort(f.t)
	f.serve(exec.Command(slapd, "-d", "0", "-f", conf, "-h", fmt.Sprintf("ldap://127.0.0.1:%d ldaps://127.0.0.1:%d", plain, secure)), plain, secure)
	return plain, secure
}

// entries are slapd's program and configuration, with that many people in its database.
func (f *farSide) entries(name string, people int) (slapd, conf string) {
	f.t.Helper()
	slapd = f.program("/usr/sbin/slapd", "slapd")
	dir := f.place("slapd", 0)
	f.certify(dir, name, 0)
	var entries strings.Builder
	fmt.Fprint(&entries, "dn: dc=corp,dc=example\nobjectClass: dcObject\nobjectClass: organization\no: corp\ndc: corp\n\n")
	for i := range people {
		fmt.Fprintf(&entries, "dn: uid=u%[1]d,dc=corp,dc=example\nobjectClass: inetOrgPerson\nuid: u%[1]d\ncn: Person %[1]d\nsn: %[1]d\nmail: u%[1]d@corp.example\n\n", i)
	}
	conf = filepath.Join(dir, "slapd.conf")
	f.put(conf, fmt.Sprintf(slapdConf, dir, `"`+password+`"`), 0)
	f.put(filepath.Join(dir, "entries.ldif"), entries.String(), 0)
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		f.t.Fatal(err)
	}
	f.must(exec.Command(slapd, "-T", "add", "-q", "-f", conf, "-l", filepath.Join(dir, "entries.ldif")))
	return slapd, conf
}

// database starts a PostgreSQL that lets in the user postgres, by TLS and password alone.
func (f *farSide) database(name string) (port int) {
	f.t.Helper()
	postgres := f.program("/usr/lib/postgresql/*/bin/postgres", "postgresql")
	account, err := user.Lookup("postgres")
	if err != nil {
		f.t.Fatal(err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err != nil {
		f.t.Fatal(err)
	}
	dir := f.place("postgres", uid)
	f.certify(dir, name, uid)
	f.put(filepath.Join(dir, "password"), password, uid)
	data := filepath.Join(dir, "data")
	as := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(filepath.Dir(postgres), program), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		return cmd
	}
	f.must(as("initdb", "-D", data, "--no-sync", "-A", "scram-sha-256", "--pwfile", filepath.Join(dir, "password"), "-E", "UTF8", "--locale=C"))
	f.put(filepath.Join(data, "pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n", uid)
	port = freePort(f.t)
	f.serve(as("postgres", "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "ssl=on",
		"-c", "ssl_cert_file="+filepath.Join(dir, "cert.pem"), "-c", "ssl_key_file="+filepath.Join(dir, "key.pem")), port)
	return port
}

const smbConf = `[global]
server role = standalone server
netbios name = FILES
disable netbios = yes
smb ports = %[2]d
interfaces = 127.0.0.1
bind interfaces only = yes
server signing = mandatory
passdb backend = tdbsam:%[1]s/passdb.tdb
private dir = %[1]s
lock directory = %[1]s/lock
state directory = %[1]s/state
cache directory = %[1]s/cache
pid directory = %[1]s
ncalrpc dir = %[1]s/ncalrpc
log file = %[1]s/log
load printers = no
disable spoolss = yes
[recordings]
path = %[1]s/share
valid users = daemon
force user = root
read only = no
`

// fileServer starts Samba with the share recordings, for the user daemon; it takes signed messages only.
func (f *farSide) fileServer() (port int) {
	f.t.Helper()
	smbd := f.program("/usr/sbin/smbd", "samba")
	dir := f.place("samba", 0)
	for _, d := range []string{"lock", "state", "cache", "ncalrpc", "share"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	port = freePort(f.t)
	conf := filepath.Join(dir, "smb.conf")
	f.put(conf, fmt.Sprintf(smbConf, dir, port), 0)
	set := exec.Command("/usr/bin/smbpasswd", "-c", conf, "-L", "-s", "-a", "daemon")
	set.Stdin = strings.NewReader(password + "\n" + password + "\n")
	f.must(set)
	f.serve(exec.Command(smbd, "--foreground", "--no-process-group", "--debug-stdout", "--configfile", conf), port)
	return port
}

// authority vouches for the servers of one site.
type authority struct {
	pem  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key := newKey(t)
	a := authority{key: key}
	der := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "Authority of the site"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, key, key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue makes the certificate of a server, and its key.
func (a authority) issue(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k := newKey(t)
	der := certificate(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, k, a.key)
	priv, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: priv}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// certificate signs c, which is its own parent where that is nil.
func certificate(t *testing.T, c, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	if parent == nil {
		parent = c
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
