package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Feed says which events to follow.
type Feed struct {
	// Query are the parameters of GET /v1/events.
	Query url.Values
	// Lost is told each time that the connection was lost and is made again; nil for nobody.
	Lost func(err error)
}

// PositionHeader is the reply header that says behind which event a feed begins.
const PositionHeader = "Vitae-Events-After"

// The times of a feed.
const (
	// silence is how long a server may say nothing: it sends something every 15 seconds.
	silence = 45 * time.Second
	// longestPause is the longest wait before a lost connection is made again.
	longestPause = 5 * time.Second
)

// maxEvent bounds one line of a feed, in bytes.
const maxEvent = 16 << 20

// Follow hands each event of the feed to each, in order and each once, until ctx ends, each
// gives an error or the server refuses. A connection that is lost is made again, and the feed
// goes on behind the last event. Errors: ctx's, each's, or *Error.
func (c *Client) Follow(ctx context.Context, f Feed, each func(seq uint64, event []byte) error) error {
	last := "" // the id of the last event
	pause := c.options.Pause
	for {
		before := last
		err := c.followOnce(ctx, f, &last, each)
		var refused *Error
		var own *eachError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &own):
			return own.err
		case errors.As(err, &refused) && refused.Status < 500 && refused.Status != http.StatusTooManyRequests:
			return err
		}
		if last != before {
			pause = c.options.Pause
		}
		if f.Lost != nil {
			f.Lost(err)
		}
		if err := sleep(ctx, pause/2+rand.N(pause/2+1)); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// eachError is what the receiver of the events said.
type eachError struct{ err error }

func (e *eachError) Error() string { return e.err.Error() }

// followOnce follows over one connection; it never returns nil.
func (c *Client) followOnce(ctx context.Context, f Feed, last *string, each func(uint64, []byte) error) error {
	attempt, cancel := context.WithCancel(ctx)
	defer cancel()
	call := Call{Method: http.MethodGet, Path: "/v1/events", Query: f.Query, Header: http.Header{}}
	if *last != "" {
		call.Header.Set("Last-Event-ID", *last)
	}
	req, err := c.request(attempt, call, "")
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream, application/problem+json")
	req.Header.Del("X-Vitae-Profile") // the query says which
	alive := time.AfterFunc(silence, cancel)
	defer alive.Stop()
	res, err := c.http.Do(req)
	if err != nil {
		return unreachable(ctx, c.base, err)
	}
	defer func() { _ = res.Body.Close() }() // nothing is left to be read
	if res.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
		if err != nil {
			return unreachable(ctx, c.base, err)
		}
		return newError(res, body)
	}
	if at := res.Header.Get(PositionHeader); *last == "" {
		*last = at // so that nothing is missed if the connection is lost before the first event
	}
	err = readEvents(res.Body, func() { alive.Reset(silence) }, func(id string, data []byte) error {
		seq, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return fmt.Errorf("the server sent an event without a sequence")
		}
		if err := each(seq, data); err != nil {
			return &eachError{err}
		}
		*last = id
		return nil
	})
	var own *eachError
	if errors.As(err, &own) {
		return err
	}
	return unreachable(ctx, c.base, err)
}

// readEvents reads server-sent events until the stream ends or event gives an error; it never
// returns nil. heard is told of every line.
func readEvents(r io.Reader, heard func(), event func(id string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	id := ""
	var data []byte
	for lines.Scan() {
		heard()
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if data != nil {
				if err := event(id, data); err != nil {
					return err
				}
			}
			data = nil
			continue
		}
		name, value, _ := strings.Cut(string(line), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "data":
			if data != nil {
				value = "\n" + value
			}
			data = append(append(make([]byte, 0, len(data)+len(value)), data...), value...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}
