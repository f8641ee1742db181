"""The wire kit: what the API's endpoints in every app share. It knows accounts, and neither datasets nor exports."""
