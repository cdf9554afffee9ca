package netbed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What every domain has. The names are those of the domain, whatever the address of a controller.
const (
	Domain         = "corp.example"
	DomainBase     = "DC=corp,DC=example"
	DomainAdmin    = "administrator@" + Domain
	DomainPassword = "Correct-horse-1"
)

const (
	samba     = "/usr/sbin/samba"
	sambaTool = "/usr/bin/samba-tool"
)

// DC is a domain controller of Samba, real but for what is not LDAP: it speaks LDAP, LDAPS and the global catalogue at
// its address, and lets nobody in without encryption. Its methods are called one at a time.
type DC struct {
	Addr string // without a port
	Pin  string // SHA-256 of its certificate, hexadecimal
	Cert string // the certificate, PEM; it names dc1.corp.example and vouches for itself

	in   *Namespace
	bed  *Bed
	dir  string
	proc *exec.Cmd
	log  *buffer
}

// MissingSamba says why no domain controller can be made here, nil where one can.
func MissingSamba() error {
	for path, pkg := range map[string]string{
		samba: "samba", sambaTool: "samba-common-bin", "/usr/share/samba/setup/provision.ldif": "samba-ad-provision",
		"/usr/lib/*/samba/ldb/samba_dsdb.so": "samba-dsdb-modules",
	} {
		if found, _ := filepath.Glob(path); len(found) == 0 {
			return fmt.Errorf("%s is not installed (package %s)", path, pkg)
		}
	}
	return nil
}

// DC makes a domain with one controller at an address of the namespace, and waits until it answers. All domains that a
// process makes are the same at first: making one takes some seconds, so it is done once and copied.
func (b *Bed) DC(in *Namespace, addr string) (*DC, error) {
	first, err := provisioned()
	if err != nil {
		return nil, err
	}
	d, err := b.newDC(in, addr, first)
	if err != nil {
		return nil, err
	}
	if err := d.certify(); err != nil {
		return nil, err
	}
	return d, d.Start()
}

// Second is another controller with all that d has now, certificate and identities included. What is changed later in one
// is not in the other.
func (d *DC) Second(addr string) (*DC, error) {
	d.Stop()
	two, err := d.bed.newDC(d.in, addr, d.dir)
	if err != nil {
		return nil, err
	}
	two.Pin, two.Cert = d.Pin, d.Cert
	return two, errors.Join(d.Start(), two.Start())
}

// newDC copies the directory of a controller that does not run.
func (b *Bed) newDC(in *Namespace, addr, from string) (*DC, error) {
	dir, err := os.MkdirTemp(b.dir, "dc-")
	if err != nil {
		return nil, err
	}
	d := &DC{Addr: addr, in: in, bed: b, dir: dir, log: &buffer{}}
	b.onClose(d.Stop)
	if out, err := exec.Command("cp", "-a", from+"/.", dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cp: %w: %s", err, out)
	}
	return d, os.WriteFile(d.conf(), fmt.Appendf(nil, sambaConf, dir, addr), 0o600)
}

func (d *DC) conf() string { return filepath.Join(d.dir, "smb.conf") }

// One process and LDAP alone: what else a controller does is nothing to a telephone system.
const sambaConf = `[global]
server role = active directory domain controller
server services = ldap
workgroup = CORP
realm = CORP.EXAMPLE
netbios name = DC1
interfaces = %[2]s
bind interfaces only = yes
private dir = %[1]s/private
state directory = %[1]s/state
cache directory = %[1]s/cache
lock directory = %[1]s
binddns dir = %[1]s/bind-dns
pid directory = %[1]s
ncalrpc dir = %[1]s/ncalrpc
log file = %[1]s/log
posix:eadb = %[1]s/eadb.tdb
idmap_ldb:use rfc2307 = yes
tls enabled = yes
tls keyfile = %[1]s/key.pem
tls certfile = %[1]s/cert.pem
tls cafile =
`

// ForgetDomain removes what DC keeps to make further domains quickly. Tests call it when all of them are done.
func ForgetDomain() {
	all, _ := filepath.Glob(filepath.Join(os.TempDir(), domainDir()+"*"))
	for _, dir := range all {
		os.RemoveAll(dir)
	}
}

// domainDir is where that is; what a process leaves is swept by the next one that makes a bed.
func domainDir() string { return fmt.Sprintf("%s%d-domain-", dirPrefix, os.Getpid()) }

// provisioned is the directory of a domain that nobody changes.
var provisioned = sync.OnceValues(func() (string, error) {
	if err := MissingSamba(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", domainDir())
	if err != nil {
		return "", err
	}
	conf := filepath.Join(dir, "made.conf") // else the machine's own would be the base
	if err := os.WriteFile(conf, fmt.Appendf(nil, "[global]\nlog file = %s/log\n", dir), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(sambaTool, "domain", "provision", "--configfile="+conf, "--targetdir="+dir, "--server-role=dc", "--use-rfc2307",
		"--dns-backend=NONE", "--realm=CORP.EXAMPLE", "--domain=CORP", "--adminpass="+DomainPassword, "--host-name=dc1", "--host-ip="+LANAddr,
		"--option=posix:eadb="+filepath.Join(dir, "eadb.tdb")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("samba-tool domain provision: %w: %s", err, out)
	}
	return dir, nil
})

// Start starts the controller again after Stop.
func (d *DC) Start() error {
	d.log.reset()
	d.proc = exec.Command(samba, "--interactive", "--model=single", "--configfile="+d.conf())
	d.proc.Stdout, d.proc.Stderr, d.proc.WaitDelay = d.log, d.log, time.Second
	stdin, err := d.proc.StdinPipe() // it ends with its standard input
	if err != nil {
		return err
	}
	if err := d.in.StartTree(d.proc); err != nil {
		d.proc = nil
		return errors.Join(err, stdin.Close())
	}
	return d.wait()
}

// wait until it listens at each of its ports.
func (d *DC) wait() error {
	deadline := time.Now().Add(60 * time.Second)
	for _, port := range []string{"389", "636", "3268", "3269"} {
		for {
			c, err := d.in.Dial(context.Background(), net.JoinHostPort(d.Addr, port))
			if err == nil {
				_ = c.Close()
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("samba does not listen at %s:%s: %w: %s", d.Addr, port, err, d.log)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// Stop ends the controller; its directory stays.
func (d *DC) Stop() {
	if d.proc == nil {
		return
	}
	_ = d.proc.Process.Signal(syscall.SIGTERM)
	_ = d.proc.Process.Kill()
	_ = d.proc.Wait()
	d.proc = nil
}

// edit does what standard input says to the directory's own database.
const edit = `
import sys, re, ldb
from samba.param import LoadParm
from samba.samdb import SamDB
from samba.auth import system_session
lp = LoadParm()
lp.load(sys.argv[1])
db = SamDB(url=lp.private_path("sam.ldb"), session_info=system_session(), lp=lp)
for record in re.split(r"\n\n+", sys.stdin.read().strip()):
    if record.startswith("rename: "):
        old, new = record[len("rename: "):].split(" -> ")
        db.rename(old, new)
    else:
        for change, message in db.parse_ldif(record + "\n"):
            if change == ldb.CHANGETYPE_ADD:
                db.add(message)
            elif change == ldb.CHANGETYPE_DELETE:
                db.delete(message.dn)
            else:
                db.modify(message)
`

// Change changes the directory by LDIF records with changetype add, modify or delete; a record "rename: DN -> DN" moves an
// entry. The controller may be running.
func (d *DC) Change(ldif string) error {
	cmd := exec.Command("/usr/bin/python3", "-c", edit, d.conf())
	cmd.Env = append(os.Environ(), "PYTHONUTF8=1")
	cmd.Stdin = strings.NewReader(ldif)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("change the directory of %s: %w: %s", d.Addr, err, out)
	}
	return nil
}
