package netbed

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NATOn hides the PBX behind the router's address. Connections that stand are unharmed until NATForget.
func (b *Bed) NATOn() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.masqueradeLocked()
}

// NATForget has the router lose its table, as a reboot does: no packet of a connection that stands finds its way any
// more, and what the PBX sends has another port from now on.
func (b *Bed) NATForget() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.masqueradeLocked(); err != nil {
		return err
	}
	return b.Wan.In(flushConntrack)
}

// NATOff takes it back.
func (b *Bed) NATOff() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unmasqueradeLocked()
}

// masqueradeLocked exchanges the rule for one with other ports.
func (b *Bed) masqueradeLocked() error {
	b.ports++
	from := 20000 + b.ports%4*10000
	r := rule{"nat", "POSTROUTING", fmt.Sprintf("-o w2 -p tcp -j MASQUERADE --to-ports %d-%d", from, from+9999)}
	if err := b.insert(r); err != nil {
		return err
	}
	err := b.unmasqueradeLocked()
	b.nat = []rule{r}
	return err
}

func (b *Bed) unmasqueradeLocked() error {
	for _, r := range b.nat {
		if err := b.remove(r); err != nil {
			return err
		}
	}
	b.nat = nil
	return nil
}

// flushConntrack empties the connection table of the namespace it is called in: one netlink message, what
// `conntrack -F` sends.
func flushConntrack() error {
	const deleteAll = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE, without a tuple
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	message := []byte{
		20, 0, 0, 0, // length
		deleteAll & 0xff, deleteAll >> 8,
		unix.NLM_F_REQUEST | unix.NLM_F_ACK, 0,
		1, 0, 0, 0, // sequence
		0, 0, 0, 0, // port
		unix.AF_INET, 0, 0, 0, // nfgenmsg
	}
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, err := unix.Read(fd, answer)
	if err != nil {
		return err
	}
	if n < 20 {
		return fmt.Errorf("the kernel answered with %d bytes", n)
	}
	if code := int32(answer[16]) | int32(answer[17])<<8 | int32(answer[18])<<16 | int32(answer[19])<<24; code != 0 {
		return os.NewSyscallError("conntrack flush", unix.Errno(-code))
	}
	return nil
}
