package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

	"vitae/sinks/postpress"
)

// mostLargeForms is how many forms with files are in memory at a time. A form is held
// whole until its edit is done, since its parts are checked together before any is stored.
const mostLargeForms = 4

// largeForms has an element for every form in memory that is longer than a JSON body may be.
type largeForms chan struct{}

// read reads the body of a form. Up to the length of a JSON body it is read as it comes;
// the rest is left where it is until there is room for it, for readTimeout at most. done
// gives the room back; it is called once, when nothing of the body is used any more.
func (l largeForms) read(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	var b bytes.Buffer // it grows with what comes, not with what is announced
	rest := http.MaxBytesReader(w, r.Body, postpress.MaxForm)
	done = func() {}
	if _, err = io.CopyN(&b, rest, maxBody); err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
		defer cancel()
		select {
		case l <- struct{}{}:
			done = func() { <-l }
		case <-ctx.Done():
			w.Header().Set("Connection", "close") // the rest is not read
			return nil, nil, ctx.Err()
		}
		_, err = io.Copy(&b, rest)
	}
	var long *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return b.Bytes(), done, nil
	case errors.As(err, &long):
		err = errFormTooLarge
	default:
		err = fail(http.StatusBadRequest, "body_unreadable", "The body could not be read to its end.")
	}
	done()
	return nil, nil, err
}

var errFormTooLarge = fail(http.StatusRequestEntityTooLarge, "content_too_large", "The form is larger than 20 MiB.")
