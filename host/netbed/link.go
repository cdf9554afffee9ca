package netbed

import (
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// LinkOptions say how the path between router and site is.
type LinkOptions struct {
	Delay time.Duration // each way
	Loss  float64       // of each packet, 0 to 1
	Seed  uint64        // the same seed loses the same packets, counted each way
}

// Link is a path that a program carries: packets cross it in their order, late, or not at all.
type Link struct {
	opts    LinkOptions
	cut     atomic.Bool
	dropped atomic.Uint64
	ends    [2]*os.File
	all     sync.WaitGroup
}

// UserLink puts such a path between router and site in place of the wire. Connections that stand go over to it.
func (b *Bed) UserLink(o LinkOptions) (*Link, error) {
	l := &Link{opts: o}
	var err error
	for i, n := range []*Namespace{b.Wan, b.Srv} {
		if l.ends[i], err = n.tun("t0"); err != nil {
			l.close()
			return nil, err
		}
	}
	b.onClose(l.close)
	l.all.Go(func() { l.carry(l.ends[0], l.ends[1], rand.New(rand.NewPCG(o.Seed, 1))) })
	l.all.Go(func() { l.carry(l.ends[1], l.ends[0], rand.New(rand.NewPCG(o.Seed, 2))) })
	if _, err := b.Wan.Run("ip", "route", "add", SrvAddr+"/32", "dev", "t0"); err != nil {
		return nil, err
	}
	_, err = b.Srv.Run("ip", "route", "replace", "default", "dev", "t0")
	return l, err
}

// Cut has the path carry nothing, or go on.
func (l *Link) Cut(cut bool) { l.cut.Store(cut) }

// Dropped is how many packets it has lost, to chance and to Cut.
func (l *Link) Dropped() uint64 { return l.dropped.Load() }

func (l *Link) close() {
	for _, f := range l.ends {
		if f != nil {
			f.Close()
		}
	}
	l.all.Wait()
}

const tunDevice = "/dev/net/tun"

// packet is one on its way.
type packet struct {
	due  time.Time
	data []byte
}

// carry takes packets from one end to the other until an end is closed.
func (l *Link) carry(from, to *os.File, chance *rand.Rand) {
	under := make(chan packet, 4096) // what does not fit is lost, as in a router
	l.all.Go(func() {
		for p := range under {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.data)
		}
	})
	defer close(under)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if lost := chance.Float64() < l.opts.Loss; lost || l.cut.Load() {
			l.dropped.Add(1)
			continue
		}
		select {
		case under <- packet{time.Now().Add(l.opts.Delay), append([]byte(nil), buf[:n]...)}:
		default:
			l.dropped.Add(1)
		}
	}
}

// tun makes a point-to-point interface whose packets are read from and written to the file, and which is gone with it.
func (n *Namespace) tun(name string) (f *os.File, err error) {
	err = n.In(func() error {
		fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return os.NewSyscallError("open "+tunDevice, err)
		}
		request, err := unix.NewIfreq(name)
		if err == nil {
			request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
			err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
		}
		if err != nil {
			unix.Close(fd)
			return os.NewSyscallError("TUNSETIFF", err)
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if _, err := n.Run("ip", "link", "set", name, "up"); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
