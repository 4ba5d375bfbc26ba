package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Stream makes a call whose answer is long, and copies it to w as it comes. It is made
// once, and lasts as long as ctx. trailer are the answer's trailers, which come behind it.
// Errors: *Error and *Unreachable (also when the answer was cut off), w's, or the
// context's.
func (c *Client) Stream(ctx context.Context, call Call, w io.Writer) (trailer http.Header, err error) {
	req, err := c.request(ctx, call, "")
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, c.base, err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
		if err != nil {
			return nil, unreachable(ctx, c.base, err)
		}
		return nil, newError(res, body)
	}
	to := &fromHere{w: w}
	if _, err := io.Copy(to, res.Body); err != nil {
		if to.err != nil {
			return nil, to.err
		}
		return nil, unreachable(ctx, c.base, fmt.Errorf("the answer was cut off: %w", err))
	}
	return res.Trailer, nil
}

// fromHere remembers which errors are the writer's.
type fromHere struct {
	w   io.Writer
	err error
}

func (f *fromHere) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}
