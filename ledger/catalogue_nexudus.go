package ledger

// What only the Nexudus coworker portal knows. Names are the page's with a small first
// letter. null is legal there for some fields only; a text of another is emptied.

func nexudusFields() []Field {
	own := func(name string, kind Kind, as string, clear Clear) Field {
		return Field{Name: "nexudus." + name, View: Shared, Kind: kind, Clearable: true, Provider: Nexudus,
			Homes: []Home{sent(Nexudus, as, clear)}}
	}
	country := own("billingCountryId", KindInteger, "BillingCountryId", ClearNever)
	country.About = "the number of ISO 3166-1, as this server's own GET /api/public/countries lists it; another is taken for the portal's own"
	country.Homes[0] = country.Homes[0].because("as the portal's own number of that country")
	return []Field{
		own("billingName", KindText, "BillingName", ClearEmpty),
		own("billingEmail", KindEmail, "BillingEmail", ClearEmpty),
		own("billingAddress", KindText, "BillingAddress", ClearNull),
		own("billingPostCode", KindText, "BillingPostCode", ClearNull),
		own("billingCityName", KindText, "BillingCityName", ClearNull),
		own("billingState", KindText, "BillingState", ClearNull),
		country,
		own("taxIDNumber", KindText, "TaxIDNumber", ClearEmpty),
		own("profileIsPublic", KindBool, "ProfileIsPublic", ClearNever),
		own("onHelpDeskMsg", KindBool, "OnHelpDeskMsg", ClearNever),
		own("onNewWallPost", KindBool, "OnNewWallPost", ClearNever),
		own("onNewBlogComment", KindBool, "OnNewBlogComment", ClearNever),
		own("onNewEventComment", KindBool, "OnNewEventComment", ClearNever),
		own("receiveCommunityDigest", KindBool, "ReceiveCommunityDigest", ClearNever),
		own("signUpToNewsletter", KindBool, "SignUpToNewsletter", ClearNever),
	}
}
