package pluginhost

import (
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// honestWork is what modules do for a living.
var honestWork = []attack{
	{honest, "keep a file", func(s *scene, _ string) error {
		f, err := os.Create(filepath.Join(s.Own, "kept"))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString("text")
		return errors.Join(err, f.Truncate(2), f.Sync(), unix.Flock(int(f.Fd()), unix.LOCK_EX))
	}},
	{honest, "replace a file, from another directory", func(s *scene, _ string) error {
		dir := filepath.Join(s.Own, "sub")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "next"), []byte("text"), 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.Own, "next"), nil, 0o600); err != nil {
			return err
		}
		return os.Rename(filepath.Join(dir, "next"), filepath.Join(s.Own, "next"))
	}},
	{honest, "remove what it kept", func(s *scene, _ string) error {
		dir := filepath.Join(s.Own, "passing")
		return errors.Join(os.MkdirAll(filepath.Join(dir, "deeper"), 0o700), os.RemoveAll(dir))
	}},
	{honest, "make a temporary file", func(*scene, string) error {
		f, err := os.CreateTemp("", "x")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}},
	{honest, "keep a database", func(s *scene, _ string) error {
		db, err := bolt.Open(filepath.Join(s.Own, "db"), 0o600, &bolt.Options{Timeout: 5 * time.Second})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte("k"), make([]byte, 1<<20))
		})
	}},
	{honest, "know the certificates of the machine", func(*scene, string) error {
		pool, err := x509.SystemCertPool()
		if err == nil && pool.Equal(x509.NewCertPool()) {
			err = errors.New("there are none")
		}
		return err
	}},
	{honest, "know a time zone", func(*scene, string) error { _, err := time.LoadLocation("Europe/Berlin"); return err }},
	{honest, "know the resolver", in(fixed("/etc/resolv.conf"), canRead)},
	{honest, "know the hosts", in(fixed("/etc/hosts"), canRead)},
	{honest, "write to /dev/null", in(fixed(os.DevNull), func(f string) error { return canOpen(f, unix.O_RDWR) })},
	{honest, "read /dev/urandom", in(fixed("/dev/urandom"), func(f string) error { return canOpen(f, unix.O_RDONLY) })},
	{honest, "read its own binary", in(fixed("/proc/self/exe"), func(f string) error { return canOpen(f, unix.O_RDONLY) })},
	{honest, "listen for the host", func(s *scene, _ string) error {
		return canListen(filepath.Join(s.Sockets, "m/attacker/own/x.sock"))
	}},
	{honest, "connect to itself", func(*scene, string) error {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return errors.Join(unix.Close(fds[0]), unix.Close(fds[1]))
	}},
	{honest, "signal itself", func(*scene, string) error { return unix.Kill(os.Getpid(), 0) }},
	{honest, "read its own limits", func(*scene, string) error {
		var have unix.Rlimit
		return unix.Getrlimit(unix.RLIMIT_NOFILE, &have)
	}},
	{honest, "have many threads", func(*scene, string) error {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 5e6}, nil) })
		}
		wg.Wait()
		return nil
	}},
	{honest, "hold 100 MB", func(*scene, string) error {
		b := make([]byte, 100<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		return nil
	}},
	{honest, "fail to resolve, and live", func(*scene, string) error {
		if _, err := net.LookupHost("localhost"); err != nil {
			return err
		}
		return nil
	}},
}
