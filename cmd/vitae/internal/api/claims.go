package api

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"

	"vitae/ledger"
)

// An account at a provider is one profile's: the edits of two would undo each other there,
// and who names it in a request would not know whose profile he reads. A commit is decided
// by the state of its own profile, which cannot say what others are connected to. So a
// request holds the account's name from the look at who has it until its commit is there.

// errAccountTaken is told to who wants an account that another profile has.
var errAccountTaken = fail(http.StatusConflict, "account_taken",
	"Another profile is connected to this account, or it is the id of another one. It is free when that connection is removed.")

// claimAccount holds an account for a request that connects a profile to it; "" is none.
// release takes how the request ended. Another profile's is errAccountTaken.
func (s *Server) claimAccount(ctx context.Context, profile ledger.ProfileID, provider, account string) (release func(err error), err error) {
	if account == "" || s.Directory == nil {
		return func(error) {}, nil
	}
	if id, err := ledger.ParseProfileID(account); err == nil && id != profile {
		return nil, errAccountTaken
	}
	free, err := s.holdAccount(ctx, provider, account)
	if err != nil {
		return nil, err
	}
	release = func(err error) {
		if !errors.Is(err, ledger.ErrUnknown) { // a commit that may still come keeps the name until it is there or never
			free()
		}
	}
	if err := s.freeFor(ctx, profile, provider, account); err != nil {
		free()
		return nil, err
	}
	return release, nil
}

// freeFor fails with errAccountTaken if another profile than this is connected to the account.
func (s *Server) freeFor(ctx context.Context, profile ledger.ProfileID, provider, account string) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	head, err := s.Core.Head(ctx)
	if err != nil {
		return err
	}
	owner, err := s.Directory.Account(ctx, provider, account, head)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return nil
	case err == nil && owner != profile:
		return errAccountTaken
	}
	return err
}

// holdAccount takes the name of an account for one request, over all instances; release
// gives it back. It is another's until then, or for two minutes if its request is lost.
func (s *Server) holdAccount(ctx context.Context, provider, account string) (release func(), err error) {
	digest := s.Vault.SystemDigest("account being connected", []byte(provider+"\x00"+account))
	i := &ledger.Idem{}
	copy(i.Key[:], digest[:])
	if _, _, err := s.claim(ctx, ledger.ProfileID{}, i); errors.Is(err, ledger.ErrIdemBusy) {
		return nil, &problem{status: http.StatusConflict, code: "busy", retryAfter: 1, detail: "Another request is connecting this account. Ask again."}
	} else if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		if err := s.Idems.Delete(ctx, hex.EncodeToString(i.Key[:])); err != nil {
			s.Log.Warn("the name of an account stays taken for a while", "error", err)
		}
	}, nil
}
