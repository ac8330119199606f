package main

import (
	"context"
	"net/http"
	"os"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// canvas returns a client for calls to Canvas; it gets the token, keeps it and renews it.
func canvas(ctx context.Context, organization string) *http.Client {
	broker := clientcredentials.Config{
		ClientID:     "billing",
		ClientSecret: os.Getenv("TOKEN_BROKER_KEY"),
		TokenURL:     os.Getenv("TOKEN_BROKER") + "/token",
		Scopes:       []string{organization},
		AuthStyle:    oauth2.AuthStyleInHeader,
	}
	return broker.Client(ctx)
}
