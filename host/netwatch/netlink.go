package netwatch

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// groups are the changes that the kernel is asked to tell.
const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE

// listen has the kernel poke signs whenever something changes, until stop is called. What it says is not read: that it
// says something is enough.
func listen(ctx context.Context, signs chan<- struct{}) (stop func(), err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for changes of the network: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("ask the kernel for changes of the network: %w", err)
	}
	file := os.NewFile(uintptr(fd), "netlink") // waits with the runtime's poller, and Close ends a Read
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		drain(file, signs)
	}()
	closing := context.AfterFunc(ctx, func() { file.Close() })
	return func() {
		closing()
		file.Close()
		<-ended
	}, nil
}

// drain reads what the kernel says until file is closed. That it said more than its buffer holds is a change too.
func drain(file *os.File, signs chan<- struct{}) {
	buf := make([]byte, 8<<10) // of longer messages the rest is dropped
	for {
		_, err := file.Read(buf)
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		select {
		case signs <- struct{}{}:
		default:
		}
	}
}
