{{ events(fare='t.fare * 100') }}
