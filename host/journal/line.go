package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// lines yields the events in r's file up to size. A last line without end is left
// for when it has one; in a file that is finished it never will.
func (r *reader) lines(ctx context.Context, size int64) error {
	in := bufio.NewReaderSize(io.NewSectionReader(r.file, r.offset, size-r.offset), int(min(size-r.offset+1, maxLine)))
	for long := false; ; {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
		r.offset += int64(len(line))
		long = long || err != nil
		if err != nil {
			continue
		}
		if e, ok := decode(line); ok && !long {
			if err := r.pass(ctx, e); err != nil {
				return err
			}
		}
		long = false
	}
}

func (r *reader) pass(ctx context.Context, e tunnel.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !r.yield(e, nil) {
		return errLeft
	}
	return nil
}

// encode returns e as one line.
func encode(e tunnel.Event) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic(err) // texts and a time in range always encode
	}
	return b.Bytes()
}

// decode reads a line of a file that somebody may have edited.
func decode(line []byte) (tunnel.Event, bool) {
	var e tunnel.Event
	err := json.Unmarshal(line, &e)
	return bounded(e), err == nil && e.Type != ""
}
