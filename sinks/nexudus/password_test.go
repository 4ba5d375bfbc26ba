package nexudus

import (
	"fmt"
	"strings"
	"testing"

	"vitae/sinks"
)

// TestPasswordIsSentOnce: the one request has the three names, and says nothing of an
// attempt; what it came to is told without the password.
func TestPasswordIsSentOnce(t *testing.T) {
	refusal := `{"WasSuccessful":false,"Value":null,"Status":400,"Message":"x","Errors":[{"AttemptedValue":"new secret","Message":"x","PropertyName":"OldPassword"}]}`
	for name, c := range map[string]struct {
		answer func() (int, string)
		want   sinks.Verdict
	}{
		"changed":         {always(200, done), sinks.Applied},
		"refused":         {always(400, refusal), sinks.Refused},
		"refused in 200":  {always(200, refusal), sinks.Refused},
		"a page":          {always(200, "<html>"), sinks.Unknown},
		"a server's end":  {always(500, ""), sinks.Unknown},
		"the token is no": {always(401, ""), sinks.AccountError},
	} {
		p, s := against(t)
		s.edit, s.token = c.answer, always(500, "") // the stand-in asks for no attempt then
		out := p.ChangePassword(t.Context(), []byte("tok"), "old secret", "new secret")
		if want := `[PATCH /api/public/coworker/profile {"OldPassword":"old secret","NewPassword":"new secret","RepeatNewPassword":"new secret"}]`; fmt.Sprint(s.seen) != want {
			t.Errorf("%s: %s", name, s.seen)
		}
		if out.Verdict != c.want || strings.Contains(fmt.Sprintf("%+v", out), "secret") {
			t.Errorf("%s: %+v", name, out)
		}
	}
}
