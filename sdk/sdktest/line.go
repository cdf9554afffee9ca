package sdktest

import (
	"context"
	"errors"
	"iter"
	"net"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
	"github.com/culvert-pbx/culvert/sdk/wire"
)

// line is a run's connection to its host. When it is lost, every call over it ends with wire.ErrGone, as over the wire.
type line struct {
	host wire.Host
	lost context.Context
	cut  context.CancelFunc
}

var _ wire.Host = (*line)(nil)

func newLine(h wire.Host) *line {
	l := &line{host: h}
	l.lost, l.cut = context.WithCancel(context.Background())
	return l
}

// call makes one call, which the end of the line ends too.
func (l *line) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.lost, cancel)()
	if l.lost.Err() != nil {
		return wire.ErrGone
	}
	return l.why(f(ctx))
}

// why is err, as it reads once the line is lost.
func (l *line) why(err error) error {
	if errors.Is(err, context.Canceled) && l.lost.Err() != nil {
		return wire.ErrGone
	}
	return err
}

func (l *line) Declare(ctx context.Context, configuration string, set []tunnel.Declaration) error {
	return l.call(ctx, func(ctx context.Context) error { return l.host.Declare(ctx, configuration, set) })
}

func (l *line) Get(ctx context.Context, ref tunnel.Ref) (v tunnel.View, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { v, err = l.host.Get(ctx, ref); return })
	return v, err
}

func (l *line) Dial(ctx context.Context, configuration, mapping string) (c net.Conn, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { c, err = l.host.Dial(ctx, configuration, mapping); return })
	return c, err
}

func (l *line) Listen(ctx context.Context, configuration, mapping string) (ln net.Listener, err error) {
	err = l.call(ctx, func(ctx context.Context) (err error) { ln, err = l.host.Listen(ctx, configuration, mapping); return })
	return ln, err
}

func (l *line) List(ctx context.Context) iter.Seq2[tunnel.View, error] {
	return over(ctx, l, l.host.List)
}

func (l *line) Watch(ctx context.Context) iter.Seq2[tunnel.Change, error] {
	return over(ctx, l, l.host.Watch)
}

// over is a call that yields, made over the line.
func over[T any](ctx context.Context, l *line, f func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		err := l.call(ctx, func(ctx context.Context) error {
			for v, err := range f(ctx) {
				if err != nil {
					return err
				}
				if !yield(v, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil && err != errStopped {
			var none T
			yield(none, err)
		}
	}
}

// errStopped says that the reader wants no more.
var errStopped = errors.New("the reader stopped")
